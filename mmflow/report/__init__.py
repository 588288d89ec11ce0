"""Events of a run as people and programs read them: a trace in lines, and a summary for JSON. Pure folds, nothing else."""

from mmflow.report.summaries import Summary as Summary
from mmflow.report.summaries import summary as summary
from mmflow.report.traces import trace as trace

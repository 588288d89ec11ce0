"""The decision of a flow for a situation, before anything is asked: `mmflow explain FILE`."""

from mmflow.explanation.decision import Explanation as Explanation
from mmflow.explanation.decision import Known as Known
from mmflow.explanation.decision import explained as explained
from mmflow.explanation.knowing import by_declared_numbers as by_declared_numbers
from mmflow.explanation.knowing import known as known

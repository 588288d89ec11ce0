"""The most that a request can cost, take and reach, for each way through a flow."""

from mmflow.bounds.load import PerToken as PerToken
from mmflow.bounds.rows import Bound as Bound
from mmflow.bounds.rows import CallCount as CallCount
from mmflow.bounds.rows import Cost as Cost
from mmflow.bounds.rows import FlowBounds as FlowBounds
from mmflow.bounds.rows import Place as Place
from mmflow.bounds.rows import Row as Row
from mmflow.bounds.rows import Time as Time
from mmflow.bounds.rows import bounds as bounds

"""Conditions: total, two-valued, over labels, scores and the request alone."""

from mmflow.check.conditions.lowering import lower as lower
from mmflow.check.conditions.lowering import text_of as text_of
from mmflow.check.conditions.request import request_field as request_field

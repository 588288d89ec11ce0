"""Expressions to typed values."""

from mmflow.check.values.attributes import attributes_of as attributes_of
from mmflow.check.values.attributes import constructed as constructed
from mmflow.check.values.expressions import fields as fields
from mmflow.check.values.expressions import record as record
from mmflow.check.values.expressions import target as target
from mmflow.check.values.expressions import typed as typed

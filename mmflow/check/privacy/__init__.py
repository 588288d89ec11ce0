"""Diagnostics of privacy: where a request and its answer can go, against what guards allow."""

from mmflow.check.privacy.classes import lowered_classes as lowered_classes
from mmflow.check.privacy.classes import unguarded_classes as unguarded_classes
from mmflow.check.privacy.guards import guards as guards
from mmflow.check.privacy.guards import idle_guard as idle_guard

"""Fixtures that several test files use."""

from cli import mmflow as mmflow
from cli import upstream as upstream

"""Fixtures that several test files use."""

import pytest
from cli import mmflow as mmflow
from cli import upstream as upstream


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the golden sections of tests/cases")

"""The fields of tests in the language."""

from collections.abc import Mapping

from mmflow.check.kinds.flows import FlowName
from mmflow.check.kinds.ranges import above_zero
from mmflow.check.kinds.written import Expectation, Fixed
from mmflow.options import option, options
from mmflow.units import Tokens


@options
class AskedFields:
    """What is true of a request."""

    tokens: Tokens | None = option(None, doc="how long it is", check=above_zero)
    user: str | None = option(None, doc="who asks")
    language: str | None = option(None, doc="in what language")
    has_images: bool = option(False, doc="whether there is an image in it")
    has_tools: bool = option(False, doc="whether it offers tools")
    meta: Mapping[str, str] | None = option(None, doc="labels of the caller")


@options
class TestFields:
    """A situation, what models do in it, and what must come of it."""

    flow: FlowName | None = option(None, doc="what is tested; may be left out where the file has one flow")
    given: Fixed | None = option(
        None,
        doc="what classifiers say, splits draw, scorers find and budgets have spent; `warm` for a cache that was asked before",
    )
    request: AskedFields | None = option(None, doc="what is true of the request")
    input: str | None = option(None, doc="what the user says; classifiers that `given` does not name read it")
    expect: tuple[Expectation, ...] = option(doc="what must hold, all of it")

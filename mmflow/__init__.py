"""mmflow: a routing language for teams that run several language models, its compiler and its runtime.

`flow = mmflow.load("support.mmf")`, then `answer = await flow.run("…")`, or `mmflow.run("support.mmf", "…")` in a script.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmflow.api import Answer, Flow, Input, LoadError, ParamError, RequestError, RunFailed, UnknownFlow, load
    from mmflow.plugin import Message, Request

__version__ = "0.1.0"

__all__ = [
    "Answer", "Flow", "LoadError", "Message", "ParamError", "Request", "RequestError", "RunFailed", "UnknownFlow", "__version__",
    "load", "run",
]  # fmt: skip

_HOMES = dict.fromkeys(("Answer", "Flow", "Input", "LoadError", "ParamError", "RunFailed", "UnknownFlow", "load"), "mmflow.api")
_HOMES |= {"RequestError": "mmflow.request"}
_HOMES |= dict.fromkeys(("Message", "Request"), "mmflow.plugin")


def run(path: str, input: "Input", *, flow: str | None = None, params: dict[str, str] | None = None) -> "Answer":
    """Answer one request by a workflow file, for scripts; `load` keeps connections where there are many."""
    from mmflow.api import load  # the front door is lazy: `import mmflow` costs next to nothing

    return load(path, flow=flow, params=params).run_sync(input)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mmflow' has no attribute {name!r}")

"""The public surface of `mmflow.plugin` and `mmflow.testing`: what plugin authors rest on changes on purpose only."""

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any, is_typeddict

import attrs
import msgspec
import pytest

import mmflow.plugin
import mmflow.testing

GOLDEN = Path(__file__).parent / "data" / "plugin_surface.txt"


def names(module: ModuleType) -> list[str]:
    """What may be imported: what is defined there, or imported under its own name for others."""
    source = inspect.getsource(module)
    ours = [name for name in vars(module) if not name.startswith("_") and not inspect.ismodule(vars(module)[name])]
    return sorted(
        name
        for name in ours
        if getattr(vars(module)[name], "__module__", None) == module.__name__
        or f"import {name} as {name}\n" in source
        or f"\n{name} = " in source
        or f"\n{name}: " in source
    )


def described(name: str, value: Any) -> list[str]:
    if inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        return [f"class {name}({bases})", *(f"    {line}" for line in members(value))]
    if inspect.isfunction(value):
        return [f"def {name}{inspect.signature(value)}"]
    return [f"{name} = {value!r}" if isinstance(value, int | str) or "[" in repr(value) else f"{name}: {type(value).__name__}"]


def members(cls: type) -> list[str]:
    """Fields with their types and defaults, then public methods with their signatures."""
    if issubclass(cls, msgspec.Struct) or attrs.has(cls) or is_typeddict(cls):
        lines = [str(parameter) for parameter in inspect.signature(cls).parameters.values()]
    else:
        lines = [f"{name}: {of}" for name, of in inspect.get_annotations(cls).items() if not name.startswith("_")]
    for name, member in vars(cls).items():
        function = getattr(member, "__func__", member)
        if name.startswith("_") and not (name == "__init__" and not lines) and name != "__call__":
            continue
        if isinstance(member, property):
            lines.append(f"@property {name}")
        elif inspect.isfunction(function):
            kind = "async def" if inspect.iscoroutinefunction(function) else "def"
            lines.append(f"{kind} {name}{inspect.signature(function)}")
    return lines


def surface() -> str:
    lines = []
    for module in (mmflow.plugin, mmflow.testing):
        lines += [f"# {module.__name__}", ""]
        for name in names(module):
            lines += described(name, vars(module)[name])
        lines.append("")
    return "\n".join(lines)


def without_addresses(text: str) -> str:
    """Default functions and factories have no address in a golden file."""
    return re.sub(r"<function .*? at 0x[0-9a-f]+>|<[^<>]* object at 0x[0-9a-f]+>", "…", text)


def test_what_plugin_authors_rest_on_is_pinned(request: pytest.FixtureRequest) -> None:
    found = without_addresses(surface())
    if request.config.getoption("--update"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text(), "run this test with --update where the change is meant, and say so to plugin authors"


def test_the_surface_has_what_the_guide_names() -> None:
    assert {"Call", "CallError", "Http", "ProviderWord", "Run", "hook", "option", "options"} <= set(names(mmflow.plugin))
    assert {"check_provider", "check_classifier", "check_scorer", "check_strategy"} <= set(names(mmflow.testing))

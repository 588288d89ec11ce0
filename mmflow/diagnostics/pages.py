"""The page of each diagnostic's code: what it means, why it matters, what to do, and an example broken and fixed."""

import re
from functools import cache
from importlib import resources
from typing import cast

import attrs

from mmflow.diagnostics import Severity, did_you_mean

_EXAMPLE = re.compile(r"^## {title}\n.*?^```mmf\n(.*?)^```", re.DOTALL | re.MULTILINE)


@attrs.frozen
class Page:
    """A code's page. `text` is the whole in Markdown; `broken` and `fixed` are complete files."""

    code: str
    severity: Severity
    text: str
    broken: str
    fixed: str

    @property
    def summary(self) -> str:
        """The first sentence of what the code means, on one line."""
        body = " ".join(self.text.split("\n\n")[2].split())
        return body.split(". ")[0].removesuffix(".")


@cache
def codes() -> tuple[str, ...]:
    """Every code that has a page, sorted."""
    names = (each.name for each in resources.files("mmflow.diagnostics").joinpath("pages").iterdir())
    return tuple(sorted(name.removesuffix(".md") for name in names if name.endswith(".md")))


def page(code: str) -> Page:
    """The page of a code; `KeyError`, with the nearest code in its text where one is near, for a code that there is not."""
    if code not in codes():
        near = did_you_mean(code, codes())
        raise KeyError(f"no diagnostic is called `{code}`" + (f", did you mean `{near}`?" if near else ""))
    text = resources.files("mmflow.diagnostics").joinpath("pages", f"{code}.md").read_text(encoding="utf-8")
    severity = cast(Severity, text.split("\n\n")[1].strip())
    return Page(code, severity, text, _example(text, "Broken"), _example(text, "Fixed"))


def _example(text: str, title: str) -> str:
    found = re.search(_EXAMPLE.pattern.replace("{title}", title), text, _EXAMPLE.flags)
    return found[1] if found else ""

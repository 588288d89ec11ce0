"""The golden cases in `tests/cases`: a workflow and scripted models in, what `mmflow` says of them out.

A case is a text file. Its first line is its sentence; sections follow, each headed `-- name --`:

    in.mmf                          the workflow; every other name with a dot is a file beside it
    input | request                 what is asked: a text, or a request as JSON
    models                          what the models do, a line for each: `small: fail(429), [0.8s, "Yes."]`
    diagnostics plan trace stream json   what must come out

A model's line has one entry for each call, and the last one stays: `"Yes."`, `[0.8s, "Yes."]`, `[0.8s, "Yes.", tokens(12, 3)]`,
`fail(429)`, `fail(timeout, 2s)`, `fail(429, 0s, retry_after=3s)`, `hang`, `stream(["one ", "two"], 2s, broken_after=1)`.
`pytest tests/test_cases.py --update` writes what came out into the sections that a case has.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from mmflow.build import build
from mmflow.diagnostics.render import render
from mmflow.plan import Plan, encode
from mmflow.plugin import Delta, Request, Usage
from mmflow.registry import Registry
from mmflow.report import summary, trace
from mmflow.runtime.executor import Executor
from mmflow.runtime.result import Result
from mmflow.runtime.simulate import Scripted, Turn, fail, hang, reply, run_virtual, stream
from mmflow.source import Source

WALL_S = 1_800_000_000.0
"""When every case happens."""

CASES = Path(__file__).parent / "cases"
GOLDEN = ("diagnostics", "plan", "trace", "stream", "json")
HEADING = re.compile(r"^-- (\S+) --\n", re.MULTILINE)


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in sorted(CASES.glob("*.case"))])
def test_case(path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    sentence, sections = read(path.read_text())
    assert re.fullmatch(r"[A-Z`].*\.", sentence), "the first line of a case is its sentence"
    found = {name: text for name, text in outcome(sections, tmp_path).items() if name in sections}
    assert found, f"{path.name} has none of the sections {', '.join(GOLDEN)}"
    if request.config.getoption("--update"):
        path.write_text(written(sentence, {**sections, **found}))
        return
    for name, text in found.items():
        assert text == sections[name], f"`{name}` of {path.name} came out otherwise; if that is right, run with --update"


def read(text: str) -> tuple[str, dict[str, str]]:
    """The sentence of a case and its sections."""
    head, *parts = HEADING.split(text)
    return head.strip(), {
        name: f"{body}\n".lstrip("\n") and f"{body.rstrip()}\n" for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def written(sentence: str, sections: Mapping[str, str]) -> str:
    return f"{sentence}\n" + "".join(f"-- {name} --\n{body}" for name, body in sections.items())


def outcome(sections: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Everything that can be said of a case, by section."""
    for name, body in sections.items():
        if "." in name:
            (folder / name).write_text(body)
    built = build(Source("in.mmf", sections["in.mmf"]), Registry.installed())
    found = {"diagnostics": render(built.diagnostics)}
    if built.plan is None:
        assert not {*GOLDEN[1:]} & {*sections}, found["diagnostics"]
        return found
    found["plan"] = encode(built.plan).decode() + "\n"
    pieces: list[str] = []
    result = answered(built.plan, sections, folder, pieces)
    answer = result.reply.text if result.reply else None
    lines = [*trace(result.events), *([] if answer is None else [f"answer: {answer}"])]
    document = msgspec.to_builtins(summary(result.reply, result.events))
    for different_each_time in ("plan", "request_id"):
        del document[different_each_time]
    found["trace"] = "".join(f"{line}\n" for line in lines)
    found["stream"] = "".join(pieces)
    found["json"] = json.dumps(document, indent=2) + "\n"
    return found


def answered(plan: Plan, sections: Mapping[str, str], folder: Path, pieces: list[str]) -> Result:
    asked = Request.of(sections.get("input", "Why is the sky blue?").rstrip("\n"))
    if "request" in sections:
        asked = msgspec.json.decode(sections["request"], type=Request)
    script = dict(map(scripted, sections.get("models", "").splitlines()))
    assert script.keys() <= plan.models.keys(), "a script of a model that is not declared"
    providers = dict.fromkeys(plan.providers, Scripted(script))
    flow = "main" if "main" in plan.flows else next(iter(plan.flows))

    async def run() -> Result:
        executor = Executor(
            plan, Registry.installed(), folder=folder, random=Random(1), environ={}, providers=providers, wall=lambda: WALL_S
        )

        async def emit(delta: Delta) -> None:
            pieces.append(f"{asyncio.get_running_loop().time():8.3f}s {delta.text!r}\n")

        return await executor.run(flow, asked, emit if "stream" in sections else None)

    return run_virtual(run())


TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|(\d+(?:\.\d+)?)(ms|s|m)\b|([1-5]xx|[a-z_]\w*)\b(?!\s*[(=])|\w+|.', re.DOTALL)
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


def scripted(line: str) -> tuple[str, list[Turn]]:
    """A line of `models`: the model's name, and what it does at each call."""
    name, _, entries = line.partition(":")
    value = eval(f"[{TOKEN.sub(as_python, entries)}]", {"fail": failing, "stream": stream, "tokens": tokens, "hang": hang()})
    return name.strip(), [as_turn(each) for each in value]


def failing(what: Any, after_s: float = 0.0, *, retry_after: float | None = None) -> Turn:
    return fail(what, after_s, retry_after_s=retry_after)


def tokens(read: int, wrote: int) -> Usage:
    return Usage(input_tokens=read, output_tokens=wrote)


def as_python(match: re.Match[str]) -> str:
    if match[2]:
        return repr(float(match[1]) * SECONDS[match[2]])
    return repr(match[3]) if match[3] and match[3] != "hang" else match[0]


def as_turn(entry: Any) -> Turn:
    match entry:
        case Turn():
            return entry
        case str(text):
            return reply(text)
        case [float(after_s), str(text)]:
            return reply(text, after_s)
        case [float(after_s), str(text), Usage() as usage]:
            return reply(text, after_s, usage=usage)
        case _:
            raise ValueError(f"a model cannot do {entry!r}")

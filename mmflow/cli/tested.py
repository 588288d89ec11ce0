"""What came of tests, for people, as JSON, and in the form of JUnit."""

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

import attrs
import msgspec

from mmflow.bounds.walk import reached
from mmflow.plan import Plan, Route
from mmflow.report import trace
from mmflow.runtime.rehearsal import Rehearsed


@attrs.frozen
class TestedFile:
    """The tests of a file that were run; without a plan it has errors, which have been told."""

    path: str
    plan: Plan | None
    tests: tuple[Rehearsed, ...]

    @property
    def broken(self) -> bool:
        return self.plan is None

    @property
    def passed(self) -> bool:
        return not self.broken and all(each.passed for each in self.tests)


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """The arms of a flow, and of the routes that it leads to: how many there are, which no test took."""

    flow: str
    arms: int
    taken: int
    not_taken: tuple[str, ...]

    @property
    def percent(self) -> int:
        """Rounded down: 100 is all of them."""
        return 100 * self.taken // self.arms if self.arms else 100


def coverage(file: TestedFile) -> Iterator[Coverage]:
    """The coverage of each flow of a file."""
    for flow in file.plan.flows.values() if file.plan is not None else ():
        taken = {arm for each in file.tests if each.case.flow == flow.name for arm in each.arms}
        arms = [(step.name, text) for step in _tables(file.plan, flow.step) for text in _texts(step)] if file.plan else []
        missed = [f"{name}: {text if text == 'else' else f'when {text}'}" for name, text in arms if (name, text) not in taken]
        yield Coverage(flow=flow.name, arms=len(arms), taken=len(arms) - len(missed), not_taken=tuple(missed))


def _tables(plan: Plan, start: str) -> list[Route]:
    return [step for step in reversed(reached(plan, start)) if isinstance(step, Route)]


def _texts(route: Route) -> list[str]:
    return [*dict.fromkeys(arm.text for arm in route.arms), *(["else"] if route.otherwise is not None else [])]


# ---- for people ---------------------------------------------------------------------------------------------------------------


def lines(files: Sequence[TestedFile], verbose: bool, shows_coverage: bool, colour: bool) -> Iterator[str]:
    """Each test that failed with its decision, the coverage where it is asked for, and a last line that counts."""
    for file in files:
        for each in file.tests:
            if not each.passed:
                yield from _failure(file, each, colour)
            elif verbose:
                yield f"passed: {_place(file, each)}"
    for file in files if shows_coverage else ():
        for flow in coverage(file):
            yield f"coverage of {file.path}: {flow.flow}: {flow.taken} of {flow.arms} arms ({flow.percent}%)"
            yield from (f"  not taken: {arm}" for arm in flow.not_taken)
    yield _counted(files)


def _place(file: TestedFile, each: Rehearsed) -> str:
    return f'{file.path}:{each.case.line}: test "{each.case.name}"' + (" (live)" if each.live else "")


def _failure(file: TestedFile, each: Rehearsed, colour: bool) -> Iterator[str]:
    word = "\x1b[1;31mfailed\x1b[0m" if colour else "failed"
    yield f"{word}: {_place(file, each)}"
    if each.problem is not None:
        yield f"  {each.problem}"
    for verdict in each.verdicts:
        if not verdict.holds:
            yield f"  expected  {verdict.expectation.text}"
            yield f"  got       {verdict.got}"
    yield from (f"  {line}" for line in trace(each.events))
    yield ""


def _counted(files: Sequence[TestedFile]) -> str:
    tests = [each for file in files for each in file.tests]
    failed = sum(not each.passed for each in tests)
    live = sum(each.live for each in tests)
    broken = sum(file.broken for file in files)
    parts = [f"{failed} failed"] * bool(failed) + [f"{len(tests) - failed} passed"] * bool(len(tests) - failed)
    said = ", ".join(parts) or "no tests"
    said += f" in {len(files)} file{'s' * (len(files) != 1)}"
    said += f", {live} live" if live else ""
    return said + (f", {broken} with errors" if broken else "")


# ---- for programs -------------------------------------------------------------------------------------------------------------


class ExpectationLine(msgspec.Struct, frozen=True, kw_only=True):
    """An expectation as written, and what came."""

    text: str
    line: int
    passed: bool
    got: str


class TestLine(msgspec.Struct, frozen=True, kw_only=True):
    """One test. `latency_s` is on the virtual clock; `problem` says why it could not be run."""

    name: str
    file: str
    line: int
    flow: str
    passed: bool
    live: bool
    problem: str | None
    outcome: str | None
    model: str | None
    cost_microusd: int | None
    latency_s: float | None
    expectations: list[ExpectationLine]
    decision: list[str]


class FileLine(msgspec.Struct, frozen=True, kw_only=True):
    """A file; with `errors` it could not be tested."""

    file: str
    errors: bool
    coverage: list[Coverage]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What `mmflow test --json` prints."""

    schema: int = 1
    passed: int
    failed: int
    live: int
    tests: list[TestLine]
    files: list[FileLine]


def document(files: Sequence[TestedFile]) -> bytes:
    """Every test as JSON."""
    tests = [_test_line(file, each) for file in files for each in file.tests]
    found = Document(
        passed=sum(each.passed for each in tests),
        failed=sum(not each.passed for each in tests),
        live=sum(each.live for each in tests),
        tests=tests,
        files=[FileLine(file=file.path, errors=file.broken, coverage=list(coverage(file))) for file in files],
    )
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def _test_line(file: TestedFile, each: Rehearsed) -> TestLine:
    ended = each.result.ended if each.result is not None else None
    return TestLine(
        name=each.case.name,
        file=file.path,
        line=each.case.line,
        flow=each.case.flow,
        passed=each.passed,
        live=each.live,
        problem=each.problem,
        outcome=ended.outcome if ended else None,
        model=ended.model if ended else None,
        cost_microusd=ended.cost_microusd if ended else None,
        latency_s=round(ended.at_s, 6) if ended else None,
        expectations=[
            ExpectationLine(text=v.expectation.text, line=v.expectation.line, passed=v.holds, got=v.got) for v in each.verdicts
        ],
        decision=trace(each.events),
    )


def junit(files: Sequence[TestedFile]) -> bytes:
    """Every test in the form of JUnit: a suite for each file; times are those of the virtual clock."""
    root = ElementTree.Element("testsuites", name="mmflow test")
    for file in files:
        failed = sum(not each.passed for each in file.tests)
        counts = {"tests": len(file.tests) + file.broken, "failures": failed, "errors": int(file.broken), "skipped": 0}
        suite = ElementTree.SubElement(root, "testsuite", {"name": file.path} | {name: str(n) for name, n in counts.items()})
        if file.broken:
            case = ElementTree.SubElement(suite, "testcase", classname=file.path, name="check", time="0")
            ElementTree.SubElement(case, "error", message=f"`mmflow check {file.path}` finds errors")
        for each in file.tests:
            seconds = each.result.ended.at_s if each.result is not None else 0.0
            name, line = _legal(each.case.name), str(each.case.line)
            case = ElementTree.SubElement(
                suite, "testcase", classname=file.path, name=name, file=file.path, line=line, time=f"{seconds:.3f}"
            )
            if not each.passed:
                missed = [f"expected {v.expectation.text}, got {v.got}" for v in each.verdicts if not v.holds]
                failure = ElementTree.SubElement(case, "failure", message=_legal(each.problem or "; ".join(missed)))
                failure.text = _legal("\n".join([*missed, *trace(each.events)]))
    ElementTree.indent(root)
    report: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return report + b"\n"


def _legal(text: str) -> str:
    """The text without what XML cannot hold."""
    return "".join(each if each.isprintable() or each in "\t\n" else "\ufffd" for each in text)

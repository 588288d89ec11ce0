"""Diagnostics of routing: arms, shares, cascades and circles; one function for each code."""

from collections.abc import Iterator, Sequence

from mmflow.check import names
from mmflow.check.program import Arm, Declaration, Program, Template, targets_of
from mmflow.diagnostics import Diagnostic, Note, error, warning
from mmflow.plan import All
from mmflow.situations import Situation, TooMany, outcomes


def _outcomes(declaration: Declaration, program: Program) -> dict[int | None, Situation] | None:
    """The arms that are taken, each with a situation that takes it; None where there are too many to enumerate."""
    tests = [arm.condition.test if arm.condition else All(()) for arm in declaration.arms]
    try:
        return outcomes(tests, program.labels)
    except TooMany:
        return None


def arms(program: Program) -> Iterator[Diagnostic]:
    """`uncovered` and `unreachable-arm`, decided from the same enumeration."""
    for declaration in program.declarations.values():
        if declaration.kind.arms != "conditions":
            continue
        taken = _outcomes(declaration, program)
        if taken is None:
            if not any(arm.condition is None for arm in declaration.arms):
                yield uncovered(declaration, None)
            continue
        if None in taken:
            yield uncovered(declaration, taken[None])
        for index, arm in enumerate(declaration.arms):
            if index in taken:
                continue
            before = declaration.arms[index - 1] if index else None
            if before is not None and index - 1 in taken and _is_copy(before, arm):
                yield copied_arm(before, arm)
            else:
                yield unreachable_arm(arm, declaration.arms[:index])


def uncovered(declaration: Declaration, without: Situation | None) -> Diagnostic:
    """A table without a target for some situation."""
    name = declaration.name
    if not declaration.arms:
        message, help = f"`{name}` has no arms, so no request gets a target", "add `else -> …`"
    elif without is None:
        message, help = f"`{name}` needs an `else`: its arms read too much to enumerate", "add `else -> …` as the last arm"
    else:
        message = f"`{name}` has no target for a request with {without}"
        help = "add an arm for it, or `else -> …` as the last arm"
    return error("uncovered", message, declaration.block.header, help=help)


def unreachable_arm(arm: Arm | Template, earlier: Sequence[Arm | Template]) -> Diagnostic:
    """An arm that never decides, because earlier ones cover all that it holds for."""
    text = f"`when {arm.condition.text}`" if arm.condition else "`else`"
    notes = [Note("an `else` before it takes everything", each.node.span) for each in earlier if each.condition is None]
    what = "the arms before it cover all of it" if earlier else "its condition never holds"
    return warning(
        "unreachable-arm", f"{text} is never taken: {what}", arm.node.span, notes=notes[:1], help="move it up, or remove it"
    )


def copied_arm(arm: Arm, following: Arm) -> Diagnostic:
    """An arm that differs from the next one only by its target."""
    text = arm.condition.text if arm.condition else ""
    message = f"`when {text}` differs from the next arm only by its target, and that one is never taken"
    notes = [Note(f"never taken: `{arm.target.name}` has all of its requests", following.node.span)]
    return warning("copied-arm", message, arm.node.span, notes=notes, help="change one of the conditions, or remove an arm")


def _is_copy(one: Arm, other: Arm) -> bool:
    if one.condition is None or other.condition is None:
        return False
    return one.condition.test == other.condition.test and one.target != other.target


def shares(program: Program) -> Iterator[Diagnostic]:
    """Shares that do not make 100%."""
    for declaration in (*program.of_kind("split"), *program.of_kind("experiment")):
        given = [arm.share for arm in declaration.arms if arm.share is not None]
        rest = len(declaration.arms) - len(given)
        total = sum(round(share * 10_000) for share in given)
        percent = f"{total / 100:g}%"
        span = declaration.block.header
        if rest > 1:
            yield error("shares", f"`{declaration.name}` has two `else` arms", span, help="keep one")
        elif rest == 0 and total != 10_000:
            help = "add `else -> …` for the rest" if total < 10_000 else "lower them to make 100%"
            yield error("shares", f"the shares of `{declaration.name}` make {percent}, not 100%", span, help=help)
        elif rest == 1 and total >= 10_000:
            message = f"the shares of `{declaration.name}` make {percent}, which leaves nothing for `else`"
            yield error("shares", message, span, help="lower the shares, or remove `else`")
        for arm in declaration.arms:
            if arm.share is not None and round(arm.share * 10_000) == 0:
                message = "a share below 0.01% is never drawn"
                yield error("shares", message, arm.node.span, help="raise it, or remove the arm")


def cascade_without_accept(program: Program) -> Iterator[Diagnostic]:
    """A cascade that has no way to tell a good answer."""
    for declaration in program.of_kind("cascade"):
        if declaration.fields.accept is None:
            message = f"`{declaration.name}` does not say when an answer is accepted"
            help = "add `accept = quality >= 0.85` with a `scorer quality …`"
            yield error("cascade-without-accept", message, declaration.block.header, help=help)


def cycle(program: Program) -> Iterator[Diagnostic]:
    """Targets that lead back to themselves."""
    done: set[str] = set()
    for start in program.declarations:
        stack: list[tuple[str, Iterator[str]]] = [(start, _next(program, start))] if start not in done else []
        trail = [start]
        while stack:
            _, rest = stack[-1]
            name = next(rest, None)
            if name is None:
                done.add(stack.pop()[0])
                trail.pop()
            elif name in trail:
                circle = [*trail[trail.index(name) :], name]
                declaration = program.declarations[name]
                yield names.cycle(circle, declaration.block.header, f"`{name}`")
                done.update(trail)
            elif name not in done and name in program.declarations:
                stack.append((name, _next(program, name)))
                trail.append(name)


def _next(program: Program, name: str) -> Iterator[str]:
    return iter([target.name for target in targets_of(program.declarations[name])])

"""Diagnostics of bounds that decide nothing; one function for each code."""

from collections.abc import Collection, Iterator

from mmflow.check.program import Declaration, Program
from mmflow.diagnostics import Diagnostic, warning
from mmflow.options import construct_named
from mmflow.plan import RequestIs, ScoreIs
from mmflow.plugin import ClassifierWord
from mmflow.situations import atoms
from mmflow.source import Span
from mmflow.units import Share, Tokens, text_of

FEWEST_TOKENS = 1
"""A request has at least one."""


def idle_thresholds(program: Program, unreachable: Collection[Span]) -> Iterator[Diagnostic]:
    """`idle-threshold` for bounds of scores, shares of a budget, confidence and tokens that are always met, or never.

    `unreachable` are the arms that have been reported for it.
    """
    for declaration in program.declarations.values():
        match declaration.kind.name:
            case "cascade":
                yield from _of_scores(declaration)
            case "budget":
                yield from _of_shares(declaration)
            case "classify" if declaration.fields.confidence == 0:
                message = f"`{declaration.name}` is never unsure: every guess has a confidence of at least 0"
                yield idle_threshold(message, declaration.spans["confidence"], "raise `confidence`")
            case "tier" if declaration.fields.min_quality == 0:
                message = f"every model has the quality that `{declaration.name}` promises"
                yield idle_threshold(message, declaration.spans["min_quality"], "raise `min_quality`, or leave it out")
            case "flow" | "route":
                yield from _of_tokens(declaration, unreachable)


def _of_scores(declaration: Declaration) -> Iterator[Diagnostic]:
    accept = declaration.fields.accept
    for atom in atoms([accept.test] if accept is not None else []):
        if isinstance(atom, ScoreIs) and (met := _met(atom.operator, atom.value, 0, 1)) is not None:
            text = f"`{atom.scorer} {atom.operator} {atom.value:g}`"
            how = "always met, whatever the answer" if met else "never met, so the last step always answers"
            yield idle_threshold(
                f"{text} is {how}: a score is from 0 to 1", declaration.spans["accept"], "choose a bound between them"
            )


def _of_shares(declaration: Declaration) -> Iterator[Diagnostic]:
    degrades = [each.share for each in declaration.thresholds if each.action == "degrade"]
    for each in declaration.thresholds:
        text = f"`spent >= {text_of(Share(each.share))}`"
        if each.share <= 0:
            yield idle_threshold(f"{text} is always met, before anything is spent", each.node.span, "raise the share")
        elif each.share > 1 and not any(share <= each.share for share in degrades if share is not each.share):
            message = f"{text} is never met: past the limit `{declaration.name}` refuses"
            yield idle_threshold(message, each.node.span, "lower the share to 100% or less, or `degrade` before it")


def _of_tokens(declaration: Declaration, unreachable: Collection[Span]) -> Iterator[Diagnostic]:
    most = getattr(declaration.fields, "max_input", None)
    for arm in declaration.arms:
        if arm.condition is None or arm.node.span in unreachable:
            continue
        for atom in atoms([arm.condition.test]):
            if not isinstance(atom, RequestIs) or atom.field != "tokens" or not isinstance(atom.value, int):
                continue
            if (met := _met(atom.operator, atom.value, FEWEST_TOKENS, most)) is not None:
                text = f"`request.tokens {atom.operator} {text_of(Tokens(atom.value))}`"
                why = "a request has at least one token"
                if most is not None and _met(atom.operator, atom.value, FEWEST_TOKENS, None) is None:
                    why = f"`max_input = {text_of(Tokens(most))}` of `{declaration.name}` decides it"
                yield idle_threshold(
                    f"{text} is {'always' if met else 'never'} met: {why}", arm.node.span, "change the bound, or remove it"
                )


def _met(operator: str, bound: float, least: float, most: float | None) -> bool | None:
    """Whether a comparison always or never holds of values in a range; None where it depends."""
    below = {">=": bound <= least, ">": bound < least, "<": bound <= least, "<=": bound < least, "==": bound < least}
    above = {">=": most is not None and bound > most, ">": most is not None and bound >= most}
    above |= {"<": most is not None and bound > most, "<=": most is not None and bound >= most}
    above["=="] = most is not None and bound > most
    if below.get(operator):
        return operator in (">=", ">")
    if above.get(operator):
        return operator in ("<", "<=")
    return None


def idle_threshold(message: str, span: Span, help: str) -> Diagnostic:
    """A bound that is always met, or never."""
    return warning("idle-threshold", message, span, help=help)


def confidence_unreachable(program: Program) -> Iterator[Diagnostic]:
    """A classifier whose bound is above all that it can give, so that it is always unsure."""
    for declaration in program.of_kind("classify"):
        most, bound = _most_confident(declaration), declaration.fields.confidence
        if most is not None and bound > most and "confidence" in declaration.spans:
            message = (
                f"`{declaration.name}` is always unsure: `{declaration.word_path}` is never more confident than {most:.3g} here, "
                f"below the {bound:g} that is asked"
            )
            help = f"lower `confidence` to {most:.3g} or less"
            yield warning("confidence-unreachable", message, declaration.spans["confidence"], help=help)


def _most_confident(declaration: Declaration) -> float | None:
    word = declaration.word
    if not isinstance(word, ClassifierWord):
        return None
    try:
        options: object = construct_named(word.options, declaration.options)
        most = word.most_confident(options, declaration.fields.labels.names)
    except Exception:  # noqa: BLE001 - anybody's code: what it cannot tell is not known
        return None
    return most if isinstance(most, int | float) else None

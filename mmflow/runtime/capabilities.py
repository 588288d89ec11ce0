"""What a request needs of a model: one that is known to lack it is not asked."""

from mmflow import plan
from mmflow.plan import Plan
from mmflow.plugin import CallError, Model, Request
from mmflow.runtime.cost import images_in


def needed(request: Request) -> tuple[str, ...]:
    """The capabilities that a request needs: `images` where it has some, `tools` where it offers some."""
    images = ("images",) if any(map(images_in, request.messages)) else ()
    return (*images, "tools") if request.tools else images


def lacking(model: Model, needs: tuple[str, ...]) -> str | None:
    """The first of the needs that a model is known to lack. Of a model without declared capabilities nothing is known."""
    return next((each for each in needs if each not in model.capabilities), None) if model.capabilities else None


def lacking_behind(of: Plan, name: str, needs: tuple[str, ...]) -> str | None:
    """What the models of a step lack, where each of them lacks something. A route decides for itself."""
    match of.steps[name]:
        case plan.Ask(model=model):
            return lacking(of.models[model], needs)
        case plan.Tier(models=names) | plan.Cascade(steps=names) | plan.Fallback(steps=names) | plan.Strategy(steps=names):
            return _of_all(of, names, needs)
        case plan.Split(slices=slices) | plan.Experiment(slices=slices):
            return _of_all(of, tuple(each.step for each in slices), needs)
        case plan.With(step=inner):
            return lacking_behind(of, inner, needs)
        case _:
            return None


def _of_all(of: Plan, names: tuple[str, ...], needs: tuple[str, ...]) -> str | None:
    found = [lacking_behind(of, each, needs) for each in names]
    return None if None in found else found[0]


def refusal(who: str, lacks: str) -> CallError:
    """Nobody who may be asked takes what the request has; `who` is the end of a sentence: "`mini` does not take"."""
    help = f"route such requests by `request.has_{lacks}`, or add `{lacks}` to the `capabilities` of a model that takes them"
    return CallError("4xx", f"the request has {lacks}, which {who}", dispatched="no", help=help)

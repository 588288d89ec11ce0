"""From a workflow file to what a run needs of it."""

from collections.abc import Mapping
from pathlib import Path
from random import Random

from mmflow.api import UnknownFlow, load_plan
from mmflow.diagnostics import did_you_mean
from mmflow.plan import Plan
from mmflow.plugin import Call, CallError, Model, Request
from mmflow.runtime.plugins import Plugins
from mmflow.runtime.simulate import run_virtual
from mmflow.runtime.unscripted import Unscripted
from mmflow.testing.simulate.traffic import Traffic
from mmflow.testing.simulate.world import Scene
from mmflow.vocabulary import Vocabulary


def scene_of(path: Path, vocabulary: Vocabulary, flow: str | None = None, params: Mapping[str, str] | None = None) -> Scene:
    """The scene of a file, with all of its flows or one. Raises `OSError`, `LoadError`, `ParamError`, `UnknownFlow`."""
    plan = load_plan(path, vocabulary, params).plan
    assert plan is not None, "a file that cannot be run is a LoadError"
    if not plan.flows:
        raise UnknownFlow("the file has no flow, so nothing can be run", "add `flow main { else -> … }`")
    if flow is not None and flow not in plan.flows:
        near = did_you_mean(flow, plan.flows)
        names = ", ".join(f"`{each}`" for each in plan.flows)
        raise UnknownFlow(f"there is no flow `{flow}`", f"did you mean `{near}`?" if near else f"flows are {names}")
    flows = tuple(plan.flows.values()) if flow is None else (plan.flows[flow],)
    return Scene(plan, vocabulary, path.parent, flows, Traffic(plan), _texts(plan, vocabulary, path.parent))


def _texts(plan: Plan, vocabulary: Vocabulary, folder: Path) -> dict[str, str]:
    """What the models answer in flows whose contract prescribes more than JSON."""
    wanted = [flow.name for flow in plan.flows.values() if flow.output is not None and plan.outputs[flow.output].schema_file]
    unscripted = Unscripted(plan, vocabulary, Plugins(plan, vocabulary, folder=folder, random=Random(1), environ={}), folder)
    request = Request.of("A request of a simulation.")
    call = Call(model=Model(name="model", id="model", provider=""), messages=request.messages, request=request)
    texts = {}
    for name in wanted:
        try:
            texts[name] = run_virtual(unscripted.text(name, call))
        except CallError:  # a schema that cannot be used fails each request, and says why there
            continue
    return texts

"""`mmflow models`: what is known of models, by price; one of them, or several side by side."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import click
import msgspec
from click.shell_completion import CompletionItem

from mmflow.catalogue import Known, known_models, own
from mmflow.cli import catalogued
from mmflow.cli.failure import Failure, WrongUse
from mmflow.cli.inputs import read_source
from mmflow.cli.terminal import remark, say, write_bytes
from mmflow.diagnostics import did_you_mean
from mmflow.units import Price, Tokens, UnitError, coerce, parse_quantity

TIERS = ("fast", "general", "deep", "private")


class Quantity(click.ParamType[Any]):
    """A quantity as workflows have it: `$1/1M`, `200k`."""

    def __init__(self, wanted: type, name: str) -> None:
        self.wanted, self.name = wanted, name

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not isinstance(value, str):
            return value
        try:
            return coerce(parse_quantity(value), self.wanted)
        except UnitError as problem:
            flag = param.opts[0] if param else "a flag"
            raise WrongUse(f"{flag}: {problem.message}", problem.help) from problem


def _completed(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    said = [] if context.params.get("words") or context.args else ["show", "compare"]
    ids = (each.id for each in known_models() if not each.is_ending(date.today()) or incomplete)
    return [CompletionItem(name) for name in dict.fromkeys((*said, *ids)) if name.startswith(incomplete)]


def _providers(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    names = dict.fromkeys(each.provider for each in known_models())
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


_EXAMPLES = """\b
Examples:
  mmflow models --tier fast --under '$1/1M'
  mmflow models --context 200k --tools --json-schema sonnet
  mmflow models show gpt-4o-mini
  mmflow models compare gpt-4o gpt-4o-mini --calls 1M --input 1k
"""


@click.command(epilog=_EXAMPLES)
@click.argument("words", metavar="[WORD | show MODEL | compare MODEL...]", nargs=-1, shell_complete=_completed)
@click.option(
    "--tier", type=click.Choice(TIERS), help="Only models of this tier of practice; `private` can run on your hardware."
)
@click.option("--under", type=Quantity(Price, "price"), help="Only models whose input costs at most this, such as '$1/1M'.")
@click.option("--context", type=Quantity(Tokens, "tokens"), help="Only models whose window has room for this, such as 200k.")
@click.option("--tools", is_flag=True, help="Only models that call tools.")
@click.option("--images", is_flag=True, help="Only models that read images.")
@click.option("--json-schema", is_flag=True, help="Only models that keep to a JSON schema.")
@click.option("--provider", metavar="NAME", shell_complete=_providers, help="Only models of this provider.")
@click.option("--all/--current", "all", default=False, help="Also models that their vendors end; by default only current ones.")
@click.option("--compare", is_flag=True, help="Set the models that are named side by side.")
@click.option("--calls", type=Quantity(Tokens, "number"), default="1M", show_default=True, help="For a comparison: calls.")
@click.option(
    "--input", type=Quantity(Tokens, "tokens"), default="1k", show_default=True, help="For a comparison: input of each."
)
@click.option(
    "--output", type=Quantity(Tokens, "tokens"), default="0", show_default=True, help="For a comparison: output of each."
)
@click.option("--catalogue", metavar="FILE", help=f"The project's own catalogue; by default {own.FILE} in this folder.")
@click.option("--json", is_flag=True, help="Print one JSON object; prices are micro-dollars for a million tokens.")
def command(
    words: tuple[str, ...],
    tier: str | None,
    under: Price | None,
    context: Tokens | None,
    tools: bool,
    images: bool,
    json_schema: bool,
    provider: str | None,
    all: bool,
    compare: bool,
    calls: Tokens,
    input: Tokens,
    output: Tokens,
    catalogue: str | None,
    json: bool,
) -> None:
    """List the models of the catalogue by their price, show one, or compare some.

    A WORD is looked for in names, providers and families. Every price has its source and its day. The exit code is 1 where no
    model fits.
    """
    models = _models(catalogue)
    today = date.today()
    match words:
        case ("show", *names) if not compare:
            if not names:
                raise WrongUse("no model is named", "write `mmflow models show gpt-4o-mini`")
            found = _named(models, names)
            _print(json, found, lambda: catalogued.shown(found, today))
        case ("compare", *names) | names if compare or words[:1] == ("compare",):
            if len(set(names)) < 2:
                raise WrongUse("a comparison takes two models or more", "write `mmflow models compare gpt-4o gpt-4o-mini`")
            found = _named(models, names)
            load = catalogued.Load(int(calls), int(input), int(output))
            costs: dict[str, object] = {"calls": int(calls), "input": int(input), "output": int(output)}
            costs |= {"comparison": catalogued.costs(found, load)}
            _print(json, found, lambda: catalogued.compared(found, load, today), costs)
        case _:
            wanted = ["tools"] * tools + ["images"] * images + ["json_schema"] * json_schema
            if provider is not None:
                _known_provider(provider, models)
            fitting = [
                each
                for each in models
                if (tier is None or tier in each.tiers)
                and (under is None or (each.prices is not None and each.prices.input <= under))
                and (context is None or (each.context_tokens or 0) >= context)
                and set(wanted) <= set(each.capabilities)
                and provider in (None, each.provider)
                and all_in(words, each)
            ]
            current = [each for each in fitting if all or not each.is_ending(today)]
            if left_out := len(fitting) - len(current):
                remark(f"{left_out} that their vendors end {'is' if left_out == 1 else 'are'} left out; `--all` has them")
            if not current:
                raise _nothing(words, models, is_ended=bool(fitting))
            current.sort(key=_by_price)
            _print(json, current, lambda: catalogued.table(current, today))


def all_in(words: Sequence[str], model: Known) -> bool:
    """Whether a model has each of the words in its name, provider or family."""
    text = " ".join((f"{model.provider}/{model.id}", model.family, *model.also)).lower()
    return all(word.lower() in text for word in words)


def _by_price(model: Known) -> tuple[bool, int, int, str]:
    prices = model.prices
    return (True, 0, 0, model.id) if prices is None else (False, prices.input, prices.output, model.id)


def _print(json: bool, models: list[Known], text: Callable[[], str], more: dict[str, object] | None = None) -> None:
    if json:
        write_bytes(msgspec.json.format(msgspec.json.encode({"schema": 1, "models": models, **(more or {})}), indent=2) + b"\n")
    else:
        say(text() + "\n")


# ---- the models ---------------------------------------------------------------------------------------------------------------


def _models(catalogue: str | None) -> list[Known]:
    models = {(each.provider, each.id): each for each in known_models()}
    file = catalogue or own.FILE
    if catalogue is not None or Path(file).is_file():
        try:
            models |= own.decode_own(read_source(file).text)
        except own.CatalogueError as problem:
            raise Failure(
                f"`{file}` is no catalogue: {problem}", "`mmflow.catalogue.json` is described under `model`"
            ) from problem
    return list(models.values())


def _named(models: list[Known], names: Sequence[str]) -> list[Known]:
    """The models of these names (`gpt-4o`, `openai/gpt-4o`), each once. Raises `WrongUse`."""
    by_name: dict[str, Known] = {}
    for model in models:
        for name in (model.id, f"{model.provider}/{model.id}", *model.also):
            by_name.setdefault(name.lower(), model)
    found = []
    for name in names:
        if name.lower() not in by_name:
            near = did_you_mean(name.lower(), by_name)
            help = f"did you mean `{near}`?" if near else "`mmflow models --all` lists them"
            raise WrongUse(f"the catalogue has no model `{name}`", help)
        found.append(by_name[name.lower()])
    return list(dict.fromkeys(found))


def _known_provider(name: str, models: list[Known]) -> None:
    names = sorted({each.provider for each in models})
    if name not in names:
        near = did_you_mean(name, names)
        help = f"did you mean `{near}`?" if near else f"it has models of {', '.join(names)}"
        raise WrongUse(f"the catalogue has no models of a provider `{name}`", help)


def _nothing(words: Sequence[str], models: list[Known], *, is_ended: bool) -> Failure:
    if is_ended:
        return Failure("no current model fits", "`--all` has those that their vendors end")
    names = [name for each in models for name in (each.id, *each.also)]
    near = did_you_mean(words[0], names) if words and not any(all_in(words, each) for each in models) else None
    return Failure(
        "no model of the catalogue fits", f"did you mean `{near}`?" if near else "ask for less, or declare yours in a file"
    )

"""`mmflow models`: the catalogue by price, one model, several side by side, and the project's own prices."""

import json
import subprocess
import sys

import pytest
from cli import Shell

OWN = """{"schema": 1, "models": [
  {"provider": "openai", "id": "gpt-4o", "as_of": "2026-11-24", "source": "our contract",
   "price": {"input": "$2/1M", "output": "$8/1M"}},
  {"provider": "own_gpus", "id": "our-tune", "as_of": "2026-11-24", "price": "free", "context": "128k", "tiers": ["private"]}
]}"""


def ids(mmflow: Shell, *arguments: str) -> list[str]:
    done = mmflow("models", *arguments, "--json")
    assert done.code == 0, done.err
    return [each["id"] for each in json.loads(done.out)["models"]]


def test_models_stand_in_the_order_of_their_prices_and_those_that_end_are_left_out(mmflow: Shell) -> None:
    done = mmflow("models", "--json")
    found = json.loads(done.out)["models"]
    costs = [(each["prices"]["input"], each["prices"]["output"]) for each in found if each["prices"]]
    assert costs == sorted(costs)
    assert "gpt-4-32k" not in {each["id"] for each in found}
    assert "`--all` has them" in done.err
    assert "gpt-4-32k" in ids(mmflow, "--all")
    assert "gpt-4-32k" not in ids(mmflow, "--current")


def test_a_list_tells_each_price_with_its_day_and_its_source(mmflow: Shell) -> None:
    out = mmflow("models", "gpt-4o-mini").out
    assert "$0.15" in out
    assert "2026-11-23 (" in out
    assert "prices: genai-prices" in out


def test_every_filter_keeps_what_it_says(mmflow: Shell) -> None:
    def found(*arguments: str) -> list[dict[str, object]]:
        models: list[dict[str, object]] = json.loads(mmflow("models", *arguments, "--json").out)["models"]
        assert models
        return models

    assert all("fast" in str(each["tiers"]) for each in found("--tier", "fast"))
    assert max(each["prices"]["input"] for each in found("--under", "$1/1M")) == 1_000_000  # type: ignore[index]
    assert min(int(str(each["context_tokens"])) for each in found("--context", "200k")) == 200_000
    wanted = {"tools", "images", "json_schema"}
    assert all(wanted <= set(each["capabilities"]) for each in found("--tools", "--images", "--json-schema"))  # type: ignore[call-overload]
    assert {each["provider"] for each in found("--provider", "mistral")} == {"mistral"}
    assert all("sonnet" in str(each["id"]) for each in found("sonnet"))


@pytest.mark.parametrize(
    ("arguments", "code", "message", "help"),
    [
        (["--under", "$1"], 2, "a price is for a number of tokens", "$1/1M"),
        (["--context", "200kb"], 2, "`kb` is not a unit", "200k"),
        (["--tier", "fats"], 2, "fats", "fast"),
        (["--provider", "opnai"], 2, "no models of a provider `opnai`", "`openai`"),
        (["show", "gpt-4o-min"], 2, "no model `gpt-4o-min`", "`gpt-4o-mini`"),
        (["show"], 2, "no model is named", "show"),
        (["compare", "gpt-4o"], 2, "two models or more", "compare"),
        (["gpt-4o-mni"], 1, "no model of the catalogue fits", "`gpt-4o-mini`"),
        (["gpt-4-32k"], 1, "no current model fits", "`--all`"),
        (["--catalogue", "none.json"], 2, "none.json", ""),
    ],
)
def test_what_cannot_be_found_is_told_with_what_was_meant(
    mmflow: Shell, arguments: list[str], code: int, message: str, help: str
) -> None:
    done = mmflow("models", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert help in done.err


def test_a_comparison_has_the_arithmetic_of_the_seeds(mmflow: Shell) -> None:
    done = mmflow("models", "compare", "gpt-4o", "gpt-4o-mini")
    assert "1M calls of 1k input tokens:" in done.out
    (today,) = [line.split() for line in done.out.splitlines() if line.startswith("today")]
    assert today == ["today", "$2,500.00", "$150.00", "16.7x"]
    assert mmflow("models", "--compare", "gpt-4o", "gpt-4o-mini").out == done.out


def test_a_comparison_has_the_seeds_prices_beside_todays(mmflow: Shell) -> None:
    out = mmflow("models", "compare", "gpt-4o-mini", "claude-3-5-haiku", "deepseek-r1", "llama-3.1-70b", "--json").out
    by = {each["prices"]: each for each in json.loads(out)["comparison"]}
    assert list(by["today"]["cost_microusd"].values()) == [150_000_000, 800_000_000, 550_000_000, 100_000_000]
    assert list(by["seeds' table"]["cost_microusd"].values()) == [150_000_000, 250_000_000, 550_000_000, 100_000_000]
    assert by["seeds' table"]["ratio"] == 5.5


def test_a_comparison_takes_the_calls_and_tokens_that_are_meant(mmflow: Shell) -> None:
    load = ("--calls", "10", "--input", "2k", "--output", "500", "--json")
    out = json.loads(mmflow("models", "compare", "gpt-4o", "gpt-4o-mini", *load).out)
    assert (out["calls"], out["input"], out["output"]) == (10, 2000, 500)
    assert out["comparison"][0]["cost_microusd"] == {"openai/gpt-4o": 100_000, "openai/gpt-4o-mini": 6_000}


def test_one_model_is_shown_with_its_prices_over_time(mmflow: Shell) -> None:
    out = mmflow("models", "show", "openai/o3").out
    assert "in its stead     gpt-5.6-sol" in out
    assert [line.split()[:3] for line in out.splitlines()[-2:]] == [["before", "$10", "$40"], ["2025-06-10", "$2", "$8"]]


def test_the_projects_own_catalogue_comes_first(mmflow: Shell) -> None:
    mmflow.write("mmflow.catalogue.json", OWN)
    assert ids(mmflow, "--provider", "own_gpus") == ["our-tune"]
    out = mmflow("models", "show", "gpt-4o").out
    assert ["input/1M", "$2"] in [line.split() for line in out.splitlines()]
    assert "batch" not in out
    assert "our contract" in out
    mmflow.write("other.json", OWN.replace("$2/1M", "$3/1M"))
    assert "2026-11-24    $3   $8  our contract" in mmflow("models", "show", "gpt-4o", "--catalogue", "other.json").out


def test_a_broken_catalogue_is_told(mmflow: Shell) -> None:
    mmflow.write("mmflow.catalogue.json", OWN.replace("$2/1M", "$2"))
    done = mmflow("models")
    assert (done.code, done.out) == (1, "")
    assert "`openai/gpt-4o`: a price is for a number of tokens" in done.err


def test_the_shell_completes_names_of_models(mmflow: Shell) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mmflow"],
        env={
            **mmflow.environ,
            "_MMFLOW_COMPLETE": "bash_complete",
            "COMP_WORDS": "mmflow models show gpt-4o-m",
            "COMP_CWORD": "3",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "gpt-4o-mini" in done.stdout


def test_neither_the_language_nor_the_runtime_is_loaded_for_a_list() -> None:
    code = "import sys; from mmflow.cli.main import main; main(['models']); sys.stderr.write('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert not {"lark", "aiohttp", "asyncio", "mmflow.registry"} & set(done.stderr.split())

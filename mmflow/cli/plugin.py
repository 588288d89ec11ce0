"""`mmflow plugin new`: a plugin of your own, as a distribution that installs, is typed, and tests itself."""

import re
from pathlib import Path
from string import Template
from types import ModuleType

import click

from mmflow import __version__
from mmflow.cli.begun import classifier, project, provider, scorer, strategy
from mmflow.cli.failure import Failure, WrongUse
from mmflow.registry import Registry
from mmflow.registry.loading import NAME
from mmflow.wording import clause

_KINDS: dict[str, ModuleType] = {"provider": provider, "classifier": classifier, "scorer": scorer, "strategy": strategy}


@click.group()
def command() -> None:
    """Write plugins of your own; `mmflow plugins` lists those that are installed."""


@command.command()
@click.argument("name")
@click.option("--provider", "kind", flag_value="provider", help="A way to reach models.")
@click.option("--classifier", "kind", flag_value="classifier", help="Labels for requests.")
@click.option("--scorer", "kind", flag_value="scorer", help="A judge of answers.")
@click.option("--strategy", "kind", flag_value="strategy", help="One answer of several targets.")
def new(name: str, kind: str | None) -> None:
    """Begin a plugin NAME in a new folder NAME: a distribution with tests, types, an example and CI.

    NAME is how workflows call it, `using NAME`: letters, digits and `_`, and dots after your organisation's name, as in
    `acme.judge`. Its tests are green at once.
    """
    if kind is None:
        raise WrongUse(f"what kind of plugin is `{name}`?", f"add {', '.join(f'`--{each}`' for each in _KINDS)}")
    _refuse_bad(name)
    root = Path(name)
    # A link that leads nowhere is there, too.
    if root.exists() or root.is_symlink():
        raise Failure(f"`{name}` is there already; nothing was written", "choose another name, or another folder to be in")
    try:
        for path, text in _files(name, _KINDS[kind]).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
            click.echo(f"wrote {root / path}")
    except OSError as error:
        raise Failure(f"`{error.filename or name}` cannot be written: {clause(error.strerror)}") from error
    click.echo(f"\nNow run:\n  cd {name}\n  pip install -e '.[dev]'\n  pytest\n  mmflow check example.mmf")


def _refuse_bad(name: str) -> None:
    if not all(NAME.fullmatch(part) for part in name.split(".")):
        near = ".".join(re.sub(r"\W+", "_", part, flags=re.ASCII).strip("_") for part in name.split("."))
        fits = all(NAME.fullmatch(part) for part in near.split("."))
        help = "a name has letters, digits and `_`, and may have dots: `acme.judge`"
        raise WrongUse(f"`{name}` is no name for a plugin", f"{help}; `{near}` is one" if fits else help)
    taken = next((each for each in Registry.installed().plugins() if each.name == name), None)
    if taken is not None:
        said = f"`{name}` is the name of a plugin of {taken.distribution} {taken.version}"
        raise Failure(said, f"put your organisation's name before it: `acme.{name}`")


def _files(name: str, kind: ModuleType) -> dict[str, str]:
    """The files of the distribution by their paths."""
    word = name.rpartition(".")[2]
    flat = name.replace(".", "_").lower()
    module = f"mmflow_{flat}"
    filled = {
        "name": name,
        "word": word,
        "cls": "".join(part.capitalize() for part in word.split("_")) or "Word",
        "module": module,
        "distribution": re.sub(r"[-_.]+", "-", f"mmflow-{flat}").strip("-"),
        "env": flat.upper().strip("_"),
        "summary": kind.SUMMARY,
        "version": __version__,
    }
    filled["example"] = _filled(kind.EXAMPLE, filled)
    filled["test"] = _filled(kind.TEST, filled)
    return {
        "pyproject.toml": _filled(project.PYPROJECT, filled),
        "README.md": _filled(project.README, filled),
        "example.mmf": filled["example"],
        f"{module}/__init__.py": _filled(kind.MODULE, filled),
        f"{module}/py.typed": "",
        f"tests/test_{module}.py": _filled(project.TEST, filled),
        ".github/workflows/ci.yml": _filled(project.CI, filled),
        ".gitignore": project.GITIGNORE,
    }


def _filled(text: str, values: dict[str, str]) -> str:
    return Template(text).substitute(values)

"""The rules of the house that a machine can hold, and the promises of the README."""

import ast
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {"mmflow", "plugins", "grammars", "workflows", "tests", "benchmarks", "pyproject.toml", "README.md"}
BUILT = {"dist", "build"}
BROAD = {"Exception", "BaseException"}
README = (ROOT / "README.md").read_text()


def files(*patterns: str) -> list[Path]:
    """Files of the project by their patterns, without what tools leave behind."""
    hidden = {".git", ".venv", "__pycache__", *BUILT}
    found = [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()]
    return sorted(path for path in found if not hidden & set(path.relative_to(ROOT).parts) and "_cache" not in str(path))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


PYTHON = files("mmflow/**/*.py", "plugins/**/*.py", "benchmarks/**/*.py", "tests/**/*.py")


def test_the_top_of_the_tree_holds_only_what_belongs_there() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert found - BUILT == TOP_LEVEL


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_a_module_opens_with_one_sentence(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, "it has no docstring"
    first = docstring.partition("\n\n")[0]
    assert first.endswith("."), first
    assert "\n" not in first, "the sentence takes more than a line"


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_a_broad_except_says_why(path: Path) -> None:
    text = path.read_text()
    assert broad_excepts_without_a_reason(text) == []


def test_a_diagnostic_is_made_by_a_function_of_its_name() -> None:
    trees = [ast.parse(path.read_text()) for path in files("mmflow/syntax/*.py", "mmflow/check/**/*.py")]
    functions = {node.name.lstrip("_") for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    codes = [path.stem for path in files("mmflow/diagnostics/pages/*.md")]
    assert codes
    assert [code for code in codes if code.replace("-", "_") not in functions] == []


def broad_excepts_without_a_reason(text: str) -> list[int]:
    """Lines of handlers of anything at all that have no comment: above them, on them or at the start of their body."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
    reasons = {line for line, comment in comments.items() if re.sub(r"noqa(: *[A-Z0-9, ]+)?|[#:\W]", "", comment)}
    handlers = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ExceptHandler)]
    broad = [each for each in handlers if each.type is None or BROAD & set(re.findall(r"\w+", ast.unparse(each.type)))]
    return [each.lineno for each in broad if not reasons & set(range(each.lineno - 1, each.body[0].lineno + 1))]


def test_a_broad_except_is_recognised() -> None:
    bare = "try:\n    pass\nexcept Exception:{}\n    pass\n"
    assert broad_excepts_without_a_reason(bare.format("")) == [3]
    assert broad_excepts_without_a_reason(bare.format("  # noqa: BLE001")) == [3]
    assert broad_excepts_without_a_reason(bare.format("  # noqa: BLE001 - a plugin may raise anything")) == []
    assert broad_excepts_without_a_reason(bare.replace("Exception", "(ValueError, BaseException)").format("")) == [3]


def test_nothing_leans_on_the_machine_that_it_was_written_on() -> None:
    outside = re.compile("|".join([r"\.\./" + "shared", "/" + r"work\b", "/" + r"root\b"]))
    texts = files(
        "mmflow/**/*", "plugins/**/*", "grammars/*", "workflows/**/*", "tests/**/*", "benchmarks/*", ".ci/*", "*.md", "*.toml"
    )
    assert [name(path) for path in texts if outside.search(path.read_text(errors="replace"))] == []


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["check", "workflows/quickstart.mmf"]], ids=" ".join)
def test_what_calls_no_model_imports_no_network(arguments: list[str]) -> None:
    code = "import sys; from mmflow.cli.main import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imported = set(done.stderr.split())
    assert "mmflow.cli.main" in imported
    assert not {"aiohttp", "uvloop", "ssl"} & imported


# ---- the README -----------------------------------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_readme_has_two_main_commands() -> None:
    first, second = [line for block in blocks("sh") for line in block.splitlines() if "python3 -m venv" in line]
    assert "mmflow run workflows/quickstart.mmf" in first
    assert second.endswith("pytest")
    assert "-r .ci/lock.txt" in second


def test_every_path_of_the_readme_is_there() -> None:
    linked = re.findall(r"\]\((?!http|#)([^)#]+)[^)]*\)", README)
    named = re.findall(r"\b((?:workflows|benchmarks|plugins|grammars|tests|\.ci)/[\w./-]*\w)", README)
    assert linked
    assert [path for path in {*linked, *named} if not (ROOT / path).exists()] == []


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """A folder in which somebody follows the README: the workflows, and the files that it shows under their names."""
    shutil.copytree(ROOT / "workflows", tmp_path / "workflows")
    shown = re.findall(r"^`([\w.]+)`:\n+```\w+\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert shown
    for filename, text in shown:
        (tmp_path / filename).write_text(text)
    return tmp_path


def environment() -> dict[str, str]:
    """As on a machine without a key, with the commands of this installation."""
    kept = {key: value for key, value in os.environ.items() if not re.search("_API_KEY|_BASE_URL|^MMFLOW_", key)}
    return kept | {"PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}", "NO_COLOR": "1"}


COMMANDS = [line for block in blocks("sh") for line in block.splitlines() if re.match(r"(echo .*\| )?mmflow ", line)]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_runs(command: str, reader: Path) -> None:
    done = subprocess.run(command, shell=True, cwd=reader, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_first_command_prints_what_the_readme_shows(reader: Path) -> None:
    command = next(line for line in "".join(blocks("sh")).splitlines() if "quickstart.mmf" in line).partition(
        ".venv/bin/mmflow "
    )[2]
    done = subprocess.run(f"mmflow {command}", shell=True, cwd=reader, env=environment(), capture_output=True, text=True)
    (shown,) = blocks("text")

    def shape(text: str) -> list[list[str]]:
        return [re.sub(r"\d+(\.\d+)?", "#", line.partition("…")[0]).split() for line in text.splitlines()]

    answer, *decision = shape(shown)
    assert shape(done.stdout)[0][: len(answer)] == answer
    assert shape(done.stderr) == decision


@pytest.mark.parametrize("code", blocks("python"))
def test_the_python_of_the_readme_runs(code: str, reader: Path) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=reader, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()

"""What is shipped: the wheel has every file that runs, and the source distribution builds the same wheel."""

import re
import subprocess
import sys
import tarfile
import tomllib
from configparser import ConfigParser
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
# Where each folder of the checkout stands in the wheel.
SHIPPED = {"mmflow": "mmflow", "plugins/mmflow_plugins": "mmflow_plugins", "grammars": "mmflow/grammars"}


def hatchling(source: Path, target: str, into: Path) -> Path:
    """Build one distribution without the network: hatchling is installed already."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    return next(into.glob("*.whl" if target == "wheel" else "*.tar.gz"))


def contents(wheel: Path) -> dict[str, bytes]:
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(hatchling(ROOT, "wheel", tmp_path_factory.mktemp("wheel")))


def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(wheel: dict[str, bytes]) -> None:
    expected = {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}": path.read_bytes()
        for folder, inside in SHIPPED.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    shipped = {name: data for name, data in wheel.items() if ".dist-info/" not in name}
    assert sorted(shipped) == sorted(expected)
    assert shipped == expected


def test_the_wheel_has_what_is_not_python(wheel: dict[str, bytes]) -> None:
    assert "mmflow/py.typed" in wheel
    assert "mmflow/grammars/mmf.lark" in wheel
    assert any(name.startswith("mmflow/diagnostics/pages/") and name.endswith(".md") for name in wheel)
    assert any(name.startswith("mmflow/catalogue/") and not name.endswith(".py") for name in wheel)


def test_nothing_in_the_wheel_runs_when_python_starts(wheel: dict[str, bytes]) -> None:
    assert not [name for name in wheel if name.endswith(".pth")]


def test_every_entry_point_names_a_module_of_the_wheel(wheel: dict[str, bytes]) -> None:
    entry_points = ConfigParser(delimiters=("=",))
    entry_points.read_string(next(data.decode() for name, data in wheel.items() if name.endswith("/entry_points.txt")))
    modules = [value.partition(":")[0] for section in entry_points.values() for value in section.values()]
    files = [module.replace(".", "/") for module in modules]
    assert len(files) > 10
    assert [each for each in files if not {f"{each}.py", f"{each}/__init__.py"} & set(wheel)] == []


def test_the_source_distribution_builds_the_same_wheel(wheel: dict[str, bytes], tmp_path: Path) -> None:
    with tarfile.open(hatchling(ROOT, "sdist", tmp_path)) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert contents(hatchling(source, "wheel", tmp_path / "again")) == wheel
    assert {"README.md", "plugins", "tests", "workflows", "benchmarks"} <= {each.name for each in source.iterdir()}


def test_the_lock_pins_every_dependency_by_hash_and_names_no_index() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    asked += project["build-system"]["requires"]
    lock = (ROOT / ".ci" / "lock.txt").read_text()
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)[^\n]*\\\n +--hash=sha256:", lock, re.MULTILINE))
    assert len(pinned) == len(re.findall(r"^[^#\s].*==", lock, re.MULTILINE))
    assert [each.name for each in map(Requirement, asked) if pinned.get(each.name, "") not in each.specifier] == []
    assert not re.search(r"https?:|file:|^-", lock, re.MULTILINE)

"""A virtual environment of its own for tests that install plugins; it needs no network."""

import os
import subprocess
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[1]


@attrs.frozen
class Environment:
    """A fresh environment that sees what this one has, mmflow above all, and into which plugins are installed."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "Environment":
        venv.EnvBuilder(symlinks=os.name != "nt").create(folder)
        environment = cls(folder)
        ours = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
        lines = [f"import site; site.addsitedir({place!r})" for place in ours]
        (environment.site / "the_environment_of_the_tests.pth").write_text("\n".join(lines))
        return environment

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def site(self) -> Path:
        return Path(sysconfig.get_path("purelib", "venv", {"base": str(self.folder), "platbase": str(self.folder)}))

    def install(self, *projects: Path) -> None:
        """Build these folders and install them, as `pip install` does, without a look at any index."""
        offline = ["--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q"]
        done = self.run("-m", "pip", "install", *offline, *map(str, projects))
        assert done.returncode == 0, done.stderr

    def run(
        self, *arguments: str, folder: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python, from an empty folder unless another is given."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        own = {"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", "HOME": str(home)}
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR", "LANG") if name in os.environ}
        return subprocess.run(
            [self.python, *arguments],
            cwd=folder or home,
            env=kept | own | dict(environ or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def mmflow(
        self, *arguments: str, folder: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `mmflow`."""
        return self.run("-m", "mmflow", *arguments, folder=folder, environ=environ)


def distribution(folder: Path, name: str, version: str, plugins: dict[str, str], code: dict[str, str]) -> Path:
    """Write the project of a distribution: `plugins` are its entry points, `code` its modules by name."""
    folder.mkdir(parents=True)
    entries = "\n".join(f'"{plugin}" = "{module}"' for plugin, module in plugins.items())
    included = ", ".join(f'"{module}.py"' for module in code)
    (folder / "pyproject.toml").write_text(
        f"""
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "{name}"
version = "{version}"
[project.entry-points.mmflow]
{entries}
[tool.hatch.build.targets.wheel]
only-include = [{included}]
"""
    )
    for module, text in code.items():
        (folder / f"{module}.py").write_text(text)
    return folder

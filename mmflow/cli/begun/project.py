"""What every new plugin has around its module: the project, its page, its CI; `$name` and its like are filled in."""

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$distribution"
version = "0.1.0"
description = "$summary"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["mmflow>=$version"]
classifiers = ["Typing :: Typed"]

[project.optional-dependencies]
dev = ["mypy", "pytest", "ruff"]

# The name on the left is the plugin's name in workflows: `using $name`.
[project.entry-points.mmflow]
"$name" = "$module"

[tool.hatch.build.targets.wheel]
packages = ["$module"]

[tool.mypy]
strict = true
files = ["$module", "tests"]

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]

[tool.ruff]
line-length = 130

[tool.ruff.lint]
select = ["E", "F", "I", "UP", "B"]
ignore = ["E501"]  # lines are as long as names make them
"""

README = """\
# $distribution

$summary

    pip install $distribution

```mmf
$example```

`mmflow plugins show $name` has its fields, and `mmflow check example.mmf` holds a workflow to them.

## Working on it

    pip install -e '.[dev]'
    pytest
    mypy
    ruff check

- `$module/__init__.py` is the plugin: its options, what it does, and the words that it brings.
- `tests/test_$module.py` holds it to the promises of mmflow (`mmflow.testing`), and to its own.
- `example.mmf` is a workflow that uses it; a test checks it.
- `.github/workflows/ci.yml` runs all of this for each change.

To publish it: `pip install build && python -m build`, then upload what is in `dist`.
"""

CI = """\
name: ci

on:
  push:
  pull_request:

permissions:
  contents: read

jobs:
  test:
    runs-on: ubuntu-latest
    strategy:
      matrix:
        python: ["3.11", "3.12", "3.13"]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: $${{ matrix.python }}
      - run: pip install -e '.[dev]'
      - run: ruff check
      - run: mypy
      - run: pytest
      - run: mmflow check example.mmf
"""

GITIGNORE = """\
__pycache__/
.*_cache/
.venv/
dist/
"""

TEST = '''\
"""The promises of mmflow, and those of `$name`."""

$test

def test_the_example_has_no_mistakes() -> None:
    example = Path(__file__).parents[1] / "example.mmf"
    check_workflow(example, {"$name": $module})
'''

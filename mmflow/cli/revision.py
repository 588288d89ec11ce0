"""Files as they stand in a revision of git."""

import os
import subprocess

from mmflow.cli.failure import WrongUse
from mmflow.cli.inputs import MAX_WORKFLOW_BYTES
from mmflow.source import Source

TIMEOUT_S = 60


def read_revision(where: str, limit: int, noun: str) -> bytes:
    """The content of REVISION:FILE, of at most `limit` bytes. Raises `WrongUse`."""
    revision, _, path = where.partition(":")
    if not path or revision.startswith("-"):
        raise WrongUse(f"`{where}` is neither a file nor a revision of git", "write REVISION:FILE, such as `HEAD~1:support.mmf`")
    command = ["git", "show", "--no-textconv", "--end-of-options", where]
    try:
        done = subprocess.run(  # noqa: S603 - a list of arguments, and none of them is taken for an option
            command, capture_output=True, check=False, timeout=TIMEOUT_S, env={**os.environ, "LC_ALL": "C"}
        )
    except FileNotFoundError:
        raise WrongUse(f"there is no file `{where}`, and git is not installed", "install git, or name two files") from None
    except subprocess.TimeoutExpired:
        raise WrongUse(f"git did not show `{where}` within {TIMEOUT_S} s", "save that version to a file first") from None
    except ValueError as error:  # a name that no argument can have
        raise WrongUse(f"`{where}` is not a file name: {error}", "name a file") from error
    if done.returncode != 0:
        raise WrongUse(*_refused(where, done.stderr.decode("utf-8", "replace")))
    if done.stdout.startswith(b"tree ") and where.encode() in done.stdout[: len(where) + 8]:
        raise WrongUse(f"`{where}` is a folder", f"name {noun} in it")
    if len(done.stdout) > limit:
        raise WrongUse(f"`{where}` is too large: {noun} has at most {limit // 1_000_000} MB", "split it")
    return done.stdout


class Revision:
    """Gives the files that a workflow of a revision imports, as they stand in that revision, each once."""

    def __init__(self, where: str) -> None:
        self._revision, _, _ = where.partition(":")
        self._sources: dict[str, Source] = {}

    def read(self, path: str) -> Source:
        """The file at a path beside that of the workflow. Raises `OSError`."""
        start = f"{self._revision}:"
        where = path if path.startswith(start) else start + path
        if where not in self._sources:
            try:
                data = read_revision(where, MAX_WORKFLOW_BYTES, "a workflow file")
            except WrongUse as problem:
                raise FileNotFoundError(2, problem.message, where) from problem
            self._sources[where] = Source.from_bytes(where, data)
        return self._sources[where]


def _refused(where: str, said: str) -> tuple[str, str]:
    """What git's refusal means, and what to do."""
    reason = next((line.removeprefix("fatal: ") for line in said.splitlines() if line.startswith("fatal: ")), said.strip())
    if "not a git repository" in reason:
        return (
            f"there is no file `{where}`, and this folder is in no git repository",
            "run it in the repository, or name two files",
        )
    return (
        f"`{where}` cannot be had from git: {reason.rstrip('.')}",
        "a FILE is named from the top of the repository, or as `./FILE` from here",
    )

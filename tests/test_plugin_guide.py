"""The plugin author's guide: a stranger who follows the page from its top has what it promises."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, get_args

import attrs
import pytest
from fresh_environment import ROOT, Environment

import mmflow.plugin
from mmflow.options import fields_of

GUIDE = (ROOT / "plugins" / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
KEY = "acme-key-0123456789"
MORE_PLUGINS = {"acme_desk.py": "acme.desk", "acme_second.py": "acme.second", "acme_shelf.py": "acme.shelf"}
"""The modules that the page adds to its distribution, and their entry points."""


@attrs.frozen
class Step:
    """A command of the page and what it shows after it, or a file that it shows."""

    command: str = ""
    shown: str = ""
    file: str = ""
    text: str = ""


def steps() -> Iterator[Step]:
    for language, body in BLOCKS:
        if language == "console":
            for command, shown in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
                yield Step(command=command, shown=shown)
        elif match := re.match(r"# (\w+\.\w+)\n", body):
            yield Step(file=match[1], text=body)


STEPS = list(steps())
FILES = {step.file: step.text for step in STEPS if step.file}
COMMANDS = [step for step in STEPS if step.command]


class AcmeServer(BaseHTTPRequestHandler):
    """Speaks the protocol that the page describes, and keeps what it was sent."""

    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        if self.path != "/generate" or self.headers["Authorization"] != f"Bearer {KEY}":
            answer, status, kind = f"the key {self.headers['Authorization']} is not known", 401, "text/plain"
        else:
            pieces = ['{"text": "Your parcel "}', '{"text": "is on its way."}', '{"tokens": [7, 6]}']
            answer, status, kind = "".join(f"data: {piece}\n\n" for piece in pieces), 200, "text/event-stream"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@attrs.frozen
class Reader:
    """Somebody who has followed the page: the folder, the environment, and what each command did."""

    folder: Path
    environment: Environment
    url: str
    asked: list[dict[str, Any]]
    did: dict[str, subprocess.CompletedProcess[str]] = attrs.field(factory=dict)

    def follow(self) -> None:
        for step in STEPS:
            if step.file:
                (self.folder / step.file).write_text(step.text)
                if plugin := MORE_PLUGINS.get(step.file):
                    project = self.folder / "pyproject.toml"
                    entry, first = f'"{plugin}" = "{step.file.removesuffix(".py")}"', 'acme = "acme_llm"\n'
                    text = project.read_text().replace(first, f"{first}{entry}\n")
                    project.write_text(text.replace('["acme_llm.py"', f'["acme_llm.py", "{step.file}"'))
                    self.environment.install(self.folder)
            elif step.command.startswith("pip install"):
                self.environment.install(self.folder)
            else:
                self.did[step.command] = self.run(step.command)

    def run(self, command: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
        words = shlex.split(command)
        environ = {"ACME_URL": self.url}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            environ[name] = value.replace("…", key)
        return self.environment.run("-m", *words, folder=self.folder, environ=environ)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("guide")
    asked: list[dict[str, Any]] = []
    handler = type("Handler", (AcmeServer,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        project = folder / "acme"
        project.mkdir()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        reader = Reader(project, Environment.create(folder / "venv"), url, asked)
        reader.follow()
        yield reader
        server.shutdown()


@pytest.mark.parametrize("step", [step for step in COMMANDS if not step.command.startswith("pip")], ids=lambda step: step.command)
def test_a_command_of_the_page_does_what_the_page_shows(reader: Reader, step: Step) -> None:
    done = reader.did[step.command]
    said = done.stdout + done.stderr
    assert done.returncode == (1 if step.shown.startswith("error") else 0), said
    if not step.command.startswith("pytest"):
        assert said.strip() == step.shown.strip()


def test_the_page_shows_what_it_promises() -> None:
    assert set(FILES) == {
        "pyproject.toml",
        "acme_llm.py",
        "support.mmf",
        "wrong.mmf",
        "acme_desk.py",
        "desk.mmf",
        "acme_second.py",
        "second.mmf",
        "acme_shelf.py",
        "shelf.mmf",
        "test_promises.py",
        "test_acme.py",
    }
    assert {shlex.split(step.command)[0].partition("=")[0] for step in COMMANDS} == {"pip", "mmflow", "ACME_API_KEY", "pytest"}


def test_a_provider_takes_less_than_sixty_lines() -> None:
    assert len(FILES["acme_llm.py"].splitlines()) < 60


def test_the_code_of_the_page_is_typed(reader: Reader) -> None:
    done = reader.run(
        f"mypy --strict --cache-dir={reader.folder.parent / 'cache'} acme_llm.py acme_desk.py acme_second.py acme_shelf.py"
    )
    assert done.returncode == 0, done.stdout


def test_what_the_file_declares_reaches_the_server(reader: Reader) -> None:
    body = reader.asked[0]
    assert (body["model"], body["tone"], body["max_queue_s"]) == ("owl-2", "brief", 0.5)
    assert body["prompt"] == "user: Where is my parcel?"


def test_the_provider_streams_and_reports_its_usage(reader: Reader) -> None:
    streamed = reader.run('ACME_API_KEY=… mmflow run support.mmf "Where is my parcel?" --stream')
    assert (streamed.returncode, streamed.stdout) == (0, "Your parcel is on its way.\n")
    told = json.loads(reader.run('ACME_API_KEY=… mmflow run support.mmf "Where is my parcel?" --json').stdout)
    assert "7" in json.dumps(told["calls"])


def test_a_missing_key_is_named_and_a_wrong_one_is_never_shown(reader: Reader) -> None:
    missing = reader.run('mmflow run support.mmf "Where?"')
    assert missing.returncode == 1
    assert "ACME_API_KEY" in missing.stderr
    wrong = reader.run('ACME_API_KEY=… mmflow run support.mmf "Where?"', key="not-the-key-of-acme")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "401" in wrong.stderr
    assert "not-the-key-of-acme" not in wrong.stderr


def test_the_words_of_the_second_plugin_take_part(reader: Reader) -> None:
    done = reader.run('mmflow run desk.mmf "I want my money back" --dry-run --trace')
    assert done.returncode == 0, done.stderr
    assert "queue = refund" in done.stderr


def test_the_strategy_of_the_page_asks_for_a_second_opinion(reader: Reader) -> None:
    short = reader.run('ACME_API_KEY=… mmflow run second.mmf "Where is my parcel?" --json')
    assert short.returncode == 0, short.stderr
    told = json.loads(short.stdout)
    assert [(call["path"], call["outcome"]) for call in told["calls"]] == [
        ("main/careful/owlet", "served"),
        ("main/careful/owl", "rejected"),
    ]
    assert [score["path"] for score in told["scores"]] == ["main/careful/owlet", "main/careful/owl"]


def test_the_cache_of_the_page_knows_a_question_again_however_it_is_spelt(reader: Reader) -> None:
    twice = reader.folder / "twice.py"
    twice.write_text(
        "import asyncio, mmflow\n"
        "async def main():\n"
        "    async with mmflow.load('shelf.mmf') as flow:\n"
        "        for text in ('Where is my parcel?', 'where is  my PARCEL?', 'And now?'):\n"
        "            print((await flow.run(text)).summary.cached)\n"
        "asyncio.run(main())\n"
    )
    done = reader.run("ACME_API_KEY=… twice")
    assert done.stdout.split() == ["False", "True", "False"], done.stderr


def test_the_second_plugin_is_told_which_labels_it_can_give(reader: Reader) -> None:
    wrong = reader.folder / "wrong_labels.mmf"
    text = FILES["desk.mmf"].replace("  when queue == parcel -> careful\n", "  when queue == refund -> careful\n")
    wrong.write_text(text.replace("labels = [refund, parcel, other]", "labels = [refund, other]"))
    done = reader.run("mmflow check wrong_labels.mmf")
    assert done.returncode == 1
    assert "`queue` has no label `parcel`" in done.stdout


def test_the_table_has_every_type_and_names_only_what_can_be_imported() -> None:
    table = GUIDE.partition("| annotation | in a file |")[2].partition("\n\n")[0]
    first = " ".join(row.split(" | ")[0].replace("\\|", "") for row in table.splitlines() if row.startswith("| `"))
    named = set(re.findall(r"`([A-Z]\w+)`", first))
    assert named >= {
        "Duration",
        "Tokens",
        "Money",
        "Price",
        "Rate",
        "Share",
        "Score",
        "Name",
        "Secret",
        "File",
        "Pattern",
        "ModelName",
    }
    for name in named:
        cls = attrs.frozen(
            type("Options", (), {"__annotations__": {"x": getattr(mmflow.plugin, name)}, "x": mmflow.plugin.option(doc="")})
        )
        assert fields_of(cls)


def test_every_error_class_of_the_page_is_one() -> None:
    table = GUIDE.partition("| class | when |")[2].partition("\n\n")[0]
    classes = re.findall(r'`"(\w+)"`', table)
    assert classes
    assert set(classes) <= set(get_args(mmflow.plugin.ErrorClass))


def test_every_link_of_the_page_leads_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in GUIDE.splitlines() if line.startswith("#")
    }
    for link in re.findall(r"\]\(([^)]+)\)", GUIDE):
        assert link[1:] in headings if link.startswith("#") else (ROOT / "plugins" / link).exists(), link

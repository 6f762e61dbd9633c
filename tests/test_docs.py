"""The documentation names everything there is, and nothing that there is not."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from madang.model import errors
from tools import access_table, changelog

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
TUTORIAL = DOCS / "tutorial" / "first-notification.md"
MAKES_KEY = "KEY=$("
GUIDES = [
    ROOT / "README.md",
    TUTORIAL,
    DOCS / "tutorial" / "first-device.md",
    DOCS / "how-to" / "query.md",
    DOCS / "how-to" / "history.md",
    DOCS / "how-to" / "push-over-http.md",
    DOCS / "how-to" / "subscribe.md",
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    language: str
    text: str


def read(*parts: str) -> str:
    return DOCS.joinpath(*parts).read_text("utf-8")


def blocks(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text("utf-8"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def typed(page: Path) -> Iterator[list[str]]:
    """Yield the commands of a page's examples, as words; continued lines are joined."""
    for block in blocks(page):
        if block.language not in ("bash", "console"):
            continue
        text = block.text.replace("\\\n", " ")
        for line in text.splitlines():
            if block.language == "bash" or line.startswith("$ "):
                try:
                    words = shlex.split(line.removeprefix("$ "), comments=True)
                except ValueError:  # the beginning of a text over several lines
                    continue
                if words:
                    yield words


@cache
def commands() -> dict[str, Any]:
    """Return the commands by name (``policy public add``), as the command line knows them."""
    from madang.cli import app

    return dict(within_group(get_command(app)))


def within_group(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the commands of a group, and of the groups in it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from within_group(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def called(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words call, None if there is none, and the words after its name."""
    for length in range(len(words), 0, -1):
        command = commands().get(" ".join(words[:length]))
        if command is not None:
            return command, words[length:]
    return None, words


def options(command: Any) -> set[str]:
    return {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("--")
    }


# --- everything there is, is named -------------------------------------------------------------


def test_every_command_and_option_is_in_the_reference() -> None:
    page = read("reference", "command-line.md")
    missing = [
        f"madang {name} {option}"
        for name, command in commands().items()
        for option in ("", *sorted(options(command) - {"--help"}))
        if f"madang {name}`" not in page or f"{option}" not in section(page, f"madang {name}")
    ]
    assert not missing


def section(page: str, title: str) -> str:
    """Return the part of a page below a heading, up to the next one."""
    _, *rest = re.split(rf"\n##+ `{re.escape(title)}`\n", page, maxsplit=1)
    return re.split(r"\n##+ ", rest[0])[0] if rest else ""


def test_every_setting_is_in_the_reference() -> None:
    from madang.settings import Settings

    page = read("reference", "settings.md")
    assert not [name for name in Settings.model_fields if f"`{name}`" not in page]


def documented_routes() -> set[str]:
    found = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", read("reference", "http-api.md"), re.MULTILINE)
    return {anonymous(route) for route in found}


def anonymous(route: str) -> str:
    return re.sub(r"\{\w+\}", "{}", route)


@cache
def served_routes() -> set[str]:
    return {anonymous(route) for route in asyncio.run(access_table.routes())}


def test_the_reference_lists_exactly_the_routes_there_are() -> None:
    assert served_routes() - documented_routes() == set(), "not documented"
    assert documented_routes() - served_routes() == set(), "documented, but not there"


def metric_names() -> set[str]:
    """Return the names given to metrics anywhere in the source."""
    return {
        node.args[0].value
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
        and re.fullmatch(r"madang_[a-z_]+", node.args[0].value)
    }


def test_the_reference_lists_exactly_the_metrics_there_are() -> None:
    page = read("reference", "metrics.md")
    documented = set(re.findall(r"^\| `(madang_\w+)` \|", page, re.MULTILINE))
    assert documented == metric_names()


def test_every_error_is_in_the_reference_with_its_status() -> None:
    page = read("reference", "errors.md")
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.NgsiError)
        and kind is not errors.NgsiError
    ]
    assert not [k.__name__ for k in kinds if f"| {k.__name__} | {k.status} |" not in page]


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert not [page for page in pages if f" {page}\n" not in navigation]


# --- what is named, is there -------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_use_commands_and_options_that_exist(page: Path) -> None:
    wrong = []
    for words in typed(page):
        if Path(words[0]).name != "madang" or len(words) < 2:
            continue
        command, rest = called(words[1:])
        if command is None:
            wrong.append(" ".join(words))
        else:
            used = {word.partition("=")[0] for word in rest if word.startswith("--")}
            wrong += [f"{words[1]} {option}" for option in used - options(command) - {"--help"}]
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_use_make_targets_that_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
    used = {words[1] for words in typed(page) if words[0] == "make" and len(words) > 1}
    used |= set(re.findall(r"`make ([a-z]+)", page.read_text("utf-8")))
    assert used <= targets


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_call_paths_that_exist(page: Path) -> None:
    patterns = [
        re.compile(re.escape(route.partition(" ")[2]).replace(r"\{\}", "[^/]+") + "/?")
        for route in served_routes()
    ]
    used = re.findall(r"http://127\.0\.0\.1:8080(/[^\s'\"?`)>]*)", page.read_text("utf-8"))
    assert not [path for path in used if not any(p.fullmatch(path) for p in patterns)]


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=name_of)
def test_links_of_pages_outside_the_site_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_changelog_fragments_can_be_folded_in() -> None:
    assert changelog.section("Unreleased", changelog.fragments(ROOT / "changelog.d"))


# --- the guides work as they stand -------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """A hub of its own, closed as a user's is; the value is its address."""
    url = f"http://127.0.0.1:{free_port()}"
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    program = [".venv/bin/madang", "up", "--no-demo", "--port", url.rpartition(":")[2]]
    environ = {**os.environ, "MADANG_NOTIFY_HOSTS": "127.0.0.1"}  # as the tutorial starts it
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(program, cwd=tmp_path, env=environ, stderr=log, stdout=log)
        try:
            until = time.monotonic() + 20
            while not is_ready(url):
                assert process.poll() is None, (tmp_path / "log").read_text("utf-8")
                assert time.monotonic() < until, "the hub did not become ready in 20 s"
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


class Terminal:
    """A shell next to the hub, in which one example is run after the other."""

    def __init__(self, home: Path, hub: str) -> None:
        self.home = home
        self.hub = hub
        self.environ = {**os.environ, "CURL_HOME": str(home), "MADANG_URL": hub}
        (home / ".curlrc").write_text("fail-with-body\n", "utf-8")

    def run(self, script: str) -> str:
        """Run an example; an HTTP status of 400 or more is a failure. What it sets stays set."""
        here = script.replace("http://127.0.0.1:8080", self.hub)
        kept = self.home / "variables"
        done = subprocess.run(
            ["bash", "-e", "-c", f"set -a\n{here}\nenv -0 > {shlex.quote(str(kept))}"],
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=self.environ,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        pairs = [line.split("=", 1) for line in kept.read_text("utf-8").split("\0") if line]
        self.environ = dict(pairs)
        return done.stdout


def as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_a_guide_works_as_it_stands(page: Path, hub: str, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, hub)
    if MAKES_KEY not in page.read_text("utf-8"):  # then it says that $KEY is that of the tutorial
        terminal.run(next(b.text for b in blocks(TUTORIAL) if MAKES_KEY in b.text))
    output = ""
    for language, text in blocks(page):
        if language == "bash":
            output = terminal.run(text)
        elif language == "json" and as_json(output) is not None and "..." not in text:
            assert as_json(output) == json.loads(text)

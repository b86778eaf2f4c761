"""The README's blocks are what the command prints; UPDATE_README=1 writes them anew."""

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.cli.command import ROOT, Command

README = ROOT / "README.md"
BLOCK = re.compile(r"<!-- block: (?P<call>advisor .*?) -->\n(?P<text>.*?)<!-- end -->", re.DOTALL)
BLOCKS = [match["call"] for match in BLOCK.finditer(README.read_text(encoding="utf-8"))]
TWO_LINES = (
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/advisor demo",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest -n 2 --dist loadfile",
)


def printed(advisor: Command, call: str) -> str:
    """What the command prints; with `# words` behind it only the card that has them, numbered 1."""
    _, *arguments = shlex.split(call, comments=True)
    ran = Command(ROOT, advisor.temp)(*arguments)
    assert ran.code == 0, ran.err
    words = call.partition(" # ")[2]
    if not words:
        return ran.out
    card = next(part for part in ran.out.split("\n\n") if words in part)
    return re.sub(r"^\d+", "1", card) + "\n"


def masked(text: str) -> str:
    """Without what differs between runs: numbers, units and how the lines were broken around them."""
    return " ".join(re.sub(r"\d[\d.,]*(?: (?:ms|s|kB|MB)\b)?", "#", text).split())


@pytest.mark.parametrize("call", BLOCKS)
def test_the_block_is_what_the_command_prints(advisor: Command, call: str) -> None:
    text = README.read_text(encoding="utf-8")
    shown = next(match for match in BLOCK.finditer(text) if match["call"] == call)
    now = f"```\n$ {call.partition(' # ')[0]}\n{printed(advisor, call)}```\n"
    if os.environ.get("UPDATE_README"):
        README.write_text(text[: shown.start("text")] + now + text[shown.end("text") :], encoding="utf-8")
        return
    assert masked(shown["text"]) == masked(now)
    assert "--help" not in call or shown["text"] == now


def test_the_blocks_are_there() -> None:
    assert len(BLOCKS) == 4


@pytest.mark.parametrize("line", TWO_LINES)
def test_the_two_lines(line: str) -> None:
    assert f"    {line}\n" in README.read_text(encoding="utf-8")


def test_the_fixtures_it_names_are_there() -> None:
    named = set(re.findall(r"\bfixtures/[\w./]+", README.read_text(encoding="utf-8")))
    assert named
    assert [name for name in named if not Path(ROOT / name).exists()] == []

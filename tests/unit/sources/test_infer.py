"""The prefix of a log, inferred from its lines, against logs that an independent writer makes."""

import re
from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from advisor.errors import UnknownPrefix
from advisor.sources.languages import language
from advisor.sources.prefix import COMMON, compile_prefix, infer_prefix
from tests.unit.sources.log_writer import ZONES, Writer, heads, write_traffic

FIELDS = ("pid", "session", "second", "fraction", "epoch", "user", "database", "application", "transaction")

_KEYS = {
    "p": "pid", "u": "user", "d": "db", "a": "app", "h": "client", "r": "host", "c": "sid", "l": "line", "v": "vxid",
    "x": "xid", "e": "state", "Q": "qid", "b": "type", "i": "cmd", "s": "start", "P": "leader", "L": "local",
    "m": "at", "t": "at", "n": "at",
}  # fmt: skip
_BRACKETS = (("[", "] "), ("<", ">"), ("(", ") "), ("[", "]"))


@st.composite
def prefixes(draw: st.DrawFn) -> str:
    """Escapes in any order, bare, padded, in brackets, behind keys, with any text between them, and `%q` anywhere."""
    chosen = [*draw(st.sampled_from(("m", "m", "t", "n"))), *draw(st.sampled_from(("p", "p", "p", "c", "cp", "")))]
    chosen += [letter for letter in "uda" if draw(st.integers(0, 3))]
    chosen += [letter for letter in "hrlvxeQbisPL" if draw(st.integers(0, 5)) == 0]
    letters = draw(st.permutations(chosen)) if draw(st.booleans()) else chosen
    style = draw(st.sampled_from(("mixed", "key", "bracket", "separator")))
    separator = draw(st.sampled_from((" ", "|", ",", ":", " - ", "; ", "/")))
    text = draw(st.sampled_from(("", "", "", "", "pg: ", "db1 ", "<", "100%% ")))
    stop = draw(st.integers(0, 2 * len(letters)))
    for number, letter in enumerate(letters):
        text += "%q" if number == stop else ""
        padding = draw(st.sampled_from(("",) * 12 + ("5", "-5", "-12", "20")))
        field = f"%{padding}{letter}"
        kind = style if style != "mixed" else draw(st.sampled_from(("key", "bracket", "separator")))
        glued = text and text[-1].isalpha()
        if kind == "bracket" or glued:
            opening, closing = draw(st.sampled_from(_BRACKETS))
            text += f"{opening}{field}{closing}"
        elif kind == "key":
            text += f"{_KEYS[letter]}={field}" + draw(st.sampled_from((" ", ",")))
        else:
            text += field + separator
    return text + draw(st.sampled_from(("", " ", ": ", "> ")))


def extracted(pattern: re.Pattern[str], head: str) -> dict[str, str] | None:
    found = pattern.fullmatch(head)
    return {name: value for name, value in found.groupdict().items() if value and name in FIELDS} if found else None


def differences(prefix: str, found: str, writer: Writer) -> list[str]:
    """Heads from which the two prefixes read something else."""
    wanted, got = re.compile(compile_prefix(prefix)), re.compile(compile_prefix(found))
    return [head for head, _ in heads(writer) if extracted(wanted, head) != extracted(got, head)]


def can_be_read(prefix: str, writer: Writer) -> bool:
    """Whether the setting itself tells the fields apart: `%u%d` does not."""
    pattern = re.compile(compile_prefix(prefix))
    for head, truth in heads(writer):
        found = extracted(pattern, head)
        if found is None or any(truth.get(name, value) != value for name, value in found.items()):
            return False
    return True


def outcome(prefix: str, seed: int, *, connections: bool = True, foreign: float = 0.2) -> str:
    """right, refused, wrong, or unreadable."""
    zone = ZONES[seed % len(ZONES)]
    writer = Writer(prefix=prefix, zone=zone, verbose=seed % 3 == 0)
    text = write_traffic(writer, seed, connections=connections, foreign=foreign if seed % 2 else 0.0, records=220)
    if not can_be_read(prefix, writer):
        return "unreadable"
    try:
        found = infer_prefix(text, "server.log")
    except UnknownPrefix as refusal:
        said = str(refusal)
        assert "--prefix" in said
        assert "server.log" in said
        assert any(repr(line)[1:-1][:20] in said for line in writer.lines)
        return "refused"
    return "wrong" if differences(prefix, found, writer) else "right"


def judged(examples: int) -> tuple[Counter[str], list[str]]:
    """Outcomes of generated prefixes; and those that are not right."""
    found: Counter[str] = Counter()
    failed: list[str] = []

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(prefix=prefixes(), seed=st.integers(0, 10_000))
    def inferred(prefix: str, seed: int) -> None:
        result = outcome(prefix, seed)
        found[result] += 1
        if result in ("wrong", "refused"):
            failed.append(f"{result} {prefix!r} {seed}")

    inferred()
    return found, failed


def test_of_generated_prefixes_nearly_all_are_inferred_and_none_is_wrong() -> None:
    found, failed = judged(36)
    assert found["wrong"] == 0, failed
    assert found["right"] >= 30, (found, failed)
    assert found["refused"] <= 1, failed


@pytest.mark.slow
def test_of_two_hundred_prefixes_nearly_all_are_inferred_and_none_is_wrong() -> None:
    found, failed = judged(260)
    total = found["right"] + found["refused"] + found["wrong"]
    assert total >= 200, found
    assert found["wrong"] == 0, failed
    assert found["right"] >= 0.99 * total, failed


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(prefix=prefixes(), seed=st.integers(0, 10_000))
def test_without_connections_in_the_log_a_prefix_is_right_or_refused(prefix: str, seed: int) -> None:
    assert outcome(prefix, seed, connections=False) != "wrong"


@pytest.mark.parametrize("prefix", COMMON)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_common_prefix_is_inferred(prefix: str, seed: int) -> None:
    assert outcome(prefix, seed) == "right"


@pytest.mark.parametrize("prefix", ["%m [%p] ", "%m [%p] %q%u@%d ", "%m [%p]: user=%u,db=%d,app=%a,client=%h ", ""])
def test_keys_and_the_usual_order_do_without_connections(prefix: str) -> None:
    assert outcome(prefix, 5, connections=False) == "right"


class Translator:
    """English messages in a server's own language."""

    def __init__(self, formats: Mapping[str, str]) -> None:
        self._formats = [(self._pattern(english), local) for english, local in formats.items() if "{" in english]

    @staticmethod
    def _pattern(english: str) -> re.Pattern[str]:
        parts = re.split(r"\{(\d)\w?\}", english)
        groups = (f"(?P<g{part}>.*?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
        return re.compile("".join(groups), re.DOTALL)

    def __call__(self, message: str) -> str:
        for pattern, local in self._formats:
            found = pattern.fullmatch(message)
            if found:
                parts = re.split(r"\{(\d)\w?\}", local)
                return "".join(found[f"g{part}"] if number % 2 else part for number, part in enumerate(parts))
        return message


@pytest.mark.parametrize("name", ["de", "es", "fr", "it", "ja", "ko", "pt_BR", "ru", "sv", "zh_CN"])
def test_the_prefix_of_a_localised_log_is_inferred(name: str) -> None:
    spoken = language(name)
    marks = {canonical: mark for mark, canonical in spoken.marks.items()}
    prefix = "%m [%p] user=%u,db=%d,app=%a "
    writer = Writer(
        prefix=prefix, zone=ZONES[1], marks=marks, unknown=spoken.unknown, translate=Translator(spoken.formats)
    )
    text = write_traffic(writer, 4)
    assert differences(prefix, infer_prefix(text), writer) == []


def test_two_words_that_nothing_tells_apart_are_refused_with_line_guess_and_flag() -> None:
    writer = Writer(prefix="%m [%p] %d %u ", zone=ZONES[0])
    text = write_traffic(writer, 3, connections=False)
    with pytest.raises(UnknownPrefix) as caught:
        infer_prefix(text, "server.log")
    said = str(caught.value)
    assert "may be one field or another" in said
    assert "best guess" in said
    assert "--prefix" in said
    assert any(line.split("LOG:  ")[0] in said for line in writer.lines if "duration" in line)


def test_lines_of_no_log_are_refused() -> None:
    with pytest.raises(UnknownPrefix) as caught:
        infer_prefix("Nov 20 host postgres said LOGGING nothing useful\n" * 5)
    assert "Nov 20 host" in str(caught.value)
    assert "--prefix" in str(caught.value)

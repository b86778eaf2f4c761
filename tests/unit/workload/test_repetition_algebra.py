"""Units of work add up: whatever the pieces, and whatever the order in which they are put together."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.workload import distinct, pair, repetition, segments
from advisor.workload.gaps import LONG_US
from advisor.workload.repetition import Repetitions
from tests.unit.workload.sessions import Line, Piece, reference

START_US = 1_795_216_200_000_000
PAUSES_US = (0, 100, 3_000, 5_000, 10_000, 50_000, 100_000, 300_000, 1_500_000, 2_500_000, 40_000_000, -3_000_000)

KINDS = ("statement",) * 14 + ("plan", "plan", "connection", "disconnection")
WORK = "aaabbcdef"
STATEMENTS = (*WORK * 2, "BEGIN", "COMMIT", "COMMIT", "SET")


@st.composite
def logs(draw: st.DrawFn) -> list[Line]:
    """Lines of two sessions, each with its own clock."""
    now = [START_US, START_US]
    step = st.tuples(
        st.integers(0, 1),
        st.sampled_from(KINDS),
        st.sampled_from(PAUSES_US),
        st.sampled_from((100, 0, 7_000, 90_000, None)),
        st.sampled_from((None, "1", "2", "3", "it")),
        st.sampled_from((None, None, None, "t", "u")),
        st.sampled_from(("web", "web", "web", None)),
        st.sampled_from((None, None, 1, 2)),
        st.integers(0, 29),
        st.randoms(use_true_random=False),
    )
    lines = []
    for session, kind, pause, duration, value, trace, application, rows, timeless, random in draw(
        st.lists(step, min_size=1, max_size=60)
    ):
        now[session] += pause + (duration or 0)
        statement = kind == "statement"
        lines.append(
            Line(
                kind=kind,
                session=str(session),
                query=random.choice(STATEMENTS if statement else WORK),
                at_us=None if timeless == 0 else now[session],
                duration_us=duration,
                value=value,
                trace=trace,
                application=application,
                rows=rows,
            )
        )
    return lines


def put_together(lines: list[Line], cuts: list[int], random: Random) -> Piece:
    """The log in pieces, read in batches, some of them stored, joined in any order."""
    ends = [*sorted(cut % (len(lines) + 1) for cut in cuts), len(lines)]
    starts = [0, *ends[:-1]]
    pieces = [
        Piece().read(lines[start:end], batch=random.choice((1, 2, 1000)))
        for start, end in zip(starts, ends, strict=True)
    ]
    while len(pieces) > 1:
        here = random.randrange(len(pieces) - 1)
        for place in (here, here + 1):
            if random.random() < 0.5:
                pieces[place] = pieces[place].stored()
        pieces[here].join(pieces.pop(here + 1))
    return pieces[0]


def state(piece: Piece) -> Any:
    sessions = {key: session.state() for key, session in piece.sessions.items() if session.is_open}
    return sorted(sessions.items()), piece.sink.state()


@settings(max_examples=150, deadline=None)
@given(logs(), st.sampled_from((1, 2, 1000)))
def test_the_sums_are_those_of_the_whole_list_of_events(lines: list[Line], batch: int) -> None:
    assert Piece().read(lines, batch=batch).freeze() == reference(lines)


@settings(max_examples=150, deadline=None)
@given(logs(), st.lists(st.integers(0, 1000), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_pieces_add_up_to_the_uncut_log(lines: list[Line], cuts: list[int], random: Random) -> None:
    joined, uncut = put_together(lines, cuts, random), Piece().read(lines)
    assert state(joined) == state(uncut)
    assert joined.freeze() == uncut.freeze()


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """All bounds so low that few lines reach them."""
    for module, name, value in (
        *((distinct, "EXACT", 2), (distinct, "_WAITING", 1)),
        *((segments, "MAX_KEYS", 2), (segments, "WINDOW", 2), (segments, "MAX_QUERIES", 3), (pair, "WINDOW", 2)),
        *((pair, "MAX_INSTANCES", 2), (pair, "INSTANCES_WITH_KEYS", 1), (pair, "_SORT_EVERY", 1)),
        *((pair, "MAX_ANCESTORS", 2), (pair, "_ANCESTORS_KEPT", 1), (repetition, "MAX_PAIRS", 3)),
        *((repetition, "MAX_PATTERNS", 2), (repetition, "MAX_PATTERN_DURATIONS", 4)),
        *((repetition, "MAX_PATTERN_QUERIES", 3), (repetition, "MAX_QUERIES", 3), (repetition, "WINDOW", 2)),
        (segments, "_BOIL_AT", 2),
    ):
        monkeypatch.setattr(module, name, value)


@pytest.mark.usefixtures("tight")
def test_what_is_let_go_does_not_depend_on_the_pieces() -> None:
    @settings(max_examples=150, deadline=None)
    @given(logs(), st.lists(st.integers(0, 1000), min_size=1, max_size=4), st.randoms(use_true_random=False))
    def check(lines: list[Line], cuts: list[int], random: Random) -> None:
        joined, uncut = put_together(lines, cuts, random), Piece().read(lines)
        assert state(joined) == state(uncut)
        assert joined.freeze() == uncut.freeze()

    check()


@settings(max_examples=60, deadline=None)
@given(st.lists(logs(), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_logs_of_several_servers_add_up_in_any_order(several: list[list[Line]], random: Random) -> None:
    def added(order: list[list[Line]]) -> Repetitions:
        total = Repetitions()
        for lines in order:
            piece = Piece().read(lines)
            piece.freeze()
            total.merge(piece.sink)
        return total

    shuffled = random.sample(several, len(several))
    assert added(several).state() == added(shuffled).state()
    assert added(several).freeze() == added(shuffled).freeze()


@settings(max_examples=100, deadline=None)
@given(logs())
def test_a_session_may_be_forgotten_while_it_is_idle(lines: list[Line]) -> None:
    last: dict[str, int | None] = {}
    forgetful = []
    for line in lines:
        before = last.get(line.session)
        if line.kind == "statement":
            start = None if line.at_us is None else line.at_us - (line.duration_us or 0)
            if start is not None and before is not None and start - before >= LONG_US:
                forgetful.append(Line(kind="connection", session=line.session))
        if line.kind != "plan":
            last[line.session] = line.at_us if line.kind == "statement" else None
        forgetful.append(line)
    assert Piece().read(forgetful).freeze() == Piece().read(lines).freeze()

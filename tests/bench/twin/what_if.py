"""What-if indexes against truth: candidates built on the original, and imagined on the twin at the built size."""

import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from advisor.catalog.connect import connect
from advisor.catalog.end_points import end_points
from advisor.catalog.read import read_catalog
from advisor.model.names import QualifiedName
from advisor.sandbox.open import Request, start_sandbox
from advisor.sandbox.twin.open import Twin, open_twin
from advisor.sandbox.twin.what_if import WhatIf, WhatIfIndex
from tests.bench.twin.compare import Pair, Plan, differences, explain, total_cost
from tests.bench.twin.originals import Original
from tests.bench.twin.specials import make, specials

_FILE = Path(__file__).with_name("candidates.sql")
_DATABASE = "special_candidates"
_NAME = "candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An index and the query it should serve. `kind` in the manual's words."""

    kind: str
    definition: str
    query: str

    @property
    def table(self) -> QualifiedName:
        match = re.search(r"INDEX candidate ON (\w+)", self.definition)
        assert match is not None
        return QualifiedName("public", match[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """`pair`: the plans with the built index and with the imagined one. `before`: the original's plan without."""

    candidate: Candidate
    size_bytes: int
    guessed_bytes: int
    before: Plan
    pair: Pair

    @property
    def used(self) -> bool:
        return self.pair.original is not None and _uses(self.pair.original)

    @property
    def agrees(self) -> bool:
        return self.pair.same_shape


def candidates() -> list[Candidate]:
    """Those of `candidates.sql`: `-- candidate: KIND`, the index on one line, then the query."""
    parts = re.split(r"^-- candidate: (.*)$", _FILE.read_text(), flags=re.MULTILINE)[1:]
    found = []
    for kind, body in zip(parts[::2], parts[1::2], strict=True):
        definition, query = body.strip().split(";\n", 1)
        found.append(Candidate(kind=kind, definition=definition, query=query.strip()))
    return found


def trials(original: Original) -> Iterator[Trial]:
    """Makes the database on the first call; each index is built in a transaction that is rolled back."""
    if _DATABASE not in original.databases():
        text, _, _ = _FILE.read_text().partition("-- candidate: ")
        (special,) = specials(text)
        make(original, special)
    with connect(original.url_of(_DATABASE)) as connection:
        catalog = end_points(connection, read_catalog(connection))
    request = Request(id="S1", target_major=original.binaries.major)
    with start_sandbox("local", original.binaries, request) as sandbox:
        twin = open_twin(sandbox, catalog)
        for candidate in candidates():
            yield _trial(original, twin, candidate)


def _trial(original: Original, twin: Twin, candidate: Candidate) -> Trial:
    with original.connect(_DATABASE) as connection:
        before, _ = explain(connection, candidate.query)
        assert before is not None
        truth, size_bytes = _built(connection, candidate)
    with WhatIf(twin) as what_if, twin.connect() as connection:
        (guess,) = what_if.add([_imagined(candidate, None)])
        what_if.remove([_NAME])
        (added,) = what_if.add([_imagined(candidate, size_bytes)])
        if added.refused:
            plan, problem = None, added.refused
        else:
            what_if.switch([_NAME])
            plan, problem = explain(connection, candidate.query)
    pair = Pair(name=candidate.kind, original=truth, twin=plan, twin_error=problem)
    return Trial(candidate=candidate, size_bytes=size_bytes, guessed_bytes=guess.size_bytes, before=before, pair=pair)


def _imagined(candidate: Candidate, size_bytes: int | None) -> WhatIfIndex:
    return WhatIfIndex(name=_NAME, table=candidate.table, definition=candidate.definition, size_bytes=size_bytes)


def _built(connection: psycopg.Connection[object], candidate: Candidate) -> tuple[Plan | None, int]:
    """The plan with the really built index, and its size in bytes."""
    with connection.transaction(force_rollback=True):
        connection.execute(candidate.definition.encode())
        plan, _ = explain(connection, candidate.query)
        row = connection.execute("SELECT pg_relation_size('candidate')").fetchone()
    assert isinstance(row, tuple)
    return plan, row[0]


def _uses(plan: Plan) -> bool:
    return plan.get("Index Name") == _NAME or any(_uses(child) for child in plan.get("Plans", ()))


def report(version: str, done: list[Trial]) -> Iterator[str]:
    """The table's line, and each candidate on which the twin does not agree."""
    agreed = [trial for trial in done if trial.agrees]
    off = [d for trial in agreed if (d := trial.pair.cost_difference) is not None]
    used = [trial for trial in done if trial.used]
    factors = [max(t.guessed_bytes, t.size_bytes) / max(min(t.guessed_bytes, t.size_bytes), 1) for t in done]
    yield (
        f"| {version} | {len(done)} | {len(used)} | {len(agreed)} | {statistics.median(off):.3%} | {max(off):.3%} | "
        f"{statistics.median(factors):.2f}x, {max(factors):.1f}x |"
    )
    for trial in done:
        difference = trial.pair.cost_difference
        if trial.agrees and (difference or 0.0) <= 0.03:
            continue
        yield f"  {trial.candidate.kind}: {trial.candidate.definition}: {trial.candidate.query}"
        if trial.pair.original is None or trial.pair.twin is None:
            yield f"    original: {trial.pair.original is not None}; twin: {trial.pair.twin_error}"
            continue
        yield f"    cost {total_cost(trial.pair.original)} -> {total_cost(trial.pair.twin)}"
        for line in differences(trial.pair.original, trial.pair.twin)[-3:]:
            yield f"    {line}"


HEAD = (
    "| original | candidates | used | same plan | median cost difference | worst | guessed size off by |\n"
    "|---|---|---|---|---|---|---|"
)

"""Plans of the original and of its twin on the same major version, database by database, as a table."""

import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from advisor.api import snapshot
from advisor.catalog.connect import connect
from advisor.catalog.end_points import end_points
from advisor.catalog.read import read_catalog
from advisor.catalog.reveal import revealed
from advisor.catalog.snapshot import decode, encode
from advisor.model.catalog import Catalog
from advisor.model.options import Options
from advisor.model.snapshot import ValuesMode
from advisor.sandbox.open import Request, start_sandbox
from advisor.sandbox.programs.binaries import Binaries
from advisor.sandbox.server import Sandbox
from advisor.sandbox.twin.open import open_twin
from advisor.workload.read import read_workload
from tests.bench.twin.compare import Pair, compare, differences
from tests.bench.twin.load import SUITES, prepare
from tests.bench.twin.material import queries
from tests.bench.twin.originals import Original
from tests.bench.twin.specials import prepare_specials

WANTED = {"tpch": 0.001, "tpcds": 0.01}
"""Wanted cost differences; for the databases that show one thing as for TPC-DS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A database compared. `pairs` are the queries that plan on the original."""

    version: str
    database: str
    about: str
    pairs: tuple[Pair, ...]
    read_s: float
    built_s: float
    warnings: tuple[str, ...]

    @property
    def within(self) -> float:
        return WANTED.get(self.database.removesuffix("_grown"), 0.01)


def results(original: Original, twins: Binaries, corpus: Path, work: Path, only: str, values: str) -> Iterator[Result]:
    """Compares databases of an original whose names match `only` with twins, in one sandbox of the programs `twins`."""
    prepare(original, corpus, work)
    asked: list[tuple[str, str, Mapping[str, str]]] = []
    for suite in SUITES:
        asked.append((suite, "as analysed", queries(corpus, suite)))
        asked.append((f"{suite}_grown", "30 % more rows since", queries(corpus, suite)))
    asked += [(f"special_{special.name}", special.about, special.queries) for special in prepare_specials(original)]
    request = Request(id="S1", target_major=original.binaries.major)
    with start_sandbox("local", twins, request) as sandbox:
        for database, about, statements in asked:
            if re.search(only, database):
                yield one(original, sandbox, database, about, statements, values)


def one(
    original: Original, sandbox: Sandbox, database: str, about: str, asked: Mapping[str, str], values: str
) -> Result:
    """Reads a database of the original over its URL, makes the twin and plans everything on both."""
    start = time.perf_counter()
    catalog = _catalog(original.url_of(database), asked, values)
    read = time.perf_counter()
    twin = open_twin(sandbox, catalog, database=f"twin_{database}")
    built = time.perf_counter()
    with original.connect(database) as left, twin.connect() as right:
        pairs = compare(left, right, asked)
    sandbox.drop_database(f"twin_{database}")
    return Result(
        version=original.binaries.version,
        database=database,
        about=about,
        pairs=tuple(pair for pair in pairs if pair.original is not None),
        read_s=read - start,
        built_s=built - read,
        warnings=twin.warnings,
    )


def _catalog(url: str, asked: Mapping[str, str], values: str) -> Catalog:
    """The live database's, or one that went through a snapshot's bytes; the queries are then the workload beside it."""
    if values == "live":
        with connect(url) as connection:
            return end_points(connection, read_catalog(connection))
    mode: ValuesMode = "included" if values == "included" else "default" if values == "default" else "redacted"
    taken = decode(encode(snapshot(url, values=mode, workload=False)))
    if taken.key is None:
        return taken.catalog
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(";\n".join(asked.values()) + ";\n")
        file.flush()
        return revealed(taken.catalog, taken.key, read_workload([file.name], Options()))


HEAD = (
    "| original | database | what | queries | same shape | cost within | worst cost difference | read s | twin s |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def row(result: Result) -> str:
    """A line of the table: shares are of the queries that plan on the original."""
    shapes = sum(pair.same_shape for pair in result.pairs)
    known = [d for pair in result.pairs if pair.same_shape and (d := pair.cost_difference) is not None]
    near = sum(d <= result.within for d in known)
    count = len(result.pairs)
    return (
        f"| {result.version} | {result.database} | {result.about} | {count} | {shapes} | "
        f"{near} ({result.within:.1%}) | {max(known, default=0.0):.4%} | {result.read_s:.2f} | {result.built_s:.2f} |"
    )


def explanations(result: Result) -> Iterator[str]:
    """What differs, a few lines per query, and what the twin warned about."""
    for pair in result.pairs:
        difference = pair.cost_difference
        if pair.original is None or (pair.same_shape and (difference or 0.0) <= result.within):
            continue
        if pair.twin is None:
            yield f"  {result.database} {pair.name}: the twin says: {pair.twin_error}"
            continue
        yield f"  {result.database} {pair.name}: cost {difference or 0.0:.3%}"
        # The deepest lines are the causes.
        for line in differences(pair.original, pair.twin)[-4:]:
            yield f"    {line}"
    for warning in result.warnings:
        yield f"  {result.database}: {warning}"

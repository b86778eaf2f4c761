"""The digest of logs: sums that add up in any order, and what is open at the edges of each piece of a log.

Everything is bounded and independent of the order in which it came, but for what one session does after another; that
is kept at the edges of each piece (`runs`), in order of time, and joined when the digest is frozen. So the digest of a
log is the sum of the digests of its pieces, however it is cut.
"""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from advisor.errors import AdvisorError
from advisor.model.incident import Incident
from advisor.model.workload import Coverage, InputFile, QueryPlan, Workload
from advisor.plans.parse import parse_plans
from advisor.sources import marks
from advisor.sources.marks import Mark
from advisor.sources.record import Record
from advisor.sources.tally import Tally
from advisor.sql.identify import Identity
from advisor.workload.honesty import Logs, with_gaps
from advisor.workload.incidents import IncidentTotals
from advisor.workload.kept_plans import KeptPlans
from advisor.workload.known import Known
from advisor.workload.named import Named, named
from advisor.workload.recognise import Recogniser
from advisor.workload.repetition import Repetitions
from advisor.workload.totals import QueryTotals

if TYPE_CHECKING:
    from advisor.workload.run import Run

WHOLE_SECONDS = (
    "The log's times are whole seconds: outside of transactions pauses under 2 s do not separate units of work, so"
    " that statements of several requests may count as one. Use %m in log_line_prefix."
)

OVERLAP_US = 1_000_000
"""Pieces of one log may overlap by the time in which records are written out of order."""


MAX_LOGS = 10_000
"""Inputs whose names are kept: years of daily logs of several servers."""

UNPARSED_CHARACTERS = 200
"""Kept of a text that does not parse, to show what it is like."""

PLAN_UNREADABLE = "a plan could not be read"


_PlanFile = tuple[str, str | None, str]
"""The name of an EXPLAIN output, its query's id where it has one, and its text."""


class Digest:
    """Adds up. Not safe to share between threads or processes: merge one per worker instead.

    Attributes:
        inputs: what was given to be read, for the report; a digest's file among them is one input.
        logs: what was added up, also in digests that were added.
        marks: how far files were read, to go on there.
        known_bytes: of inputs by name, how much of them was in the digest before.
        redacted: whether it holds no literals; None where nothing was added yet.
        onto: the piece that was added to last, with which the next one goes on if that may be.
        waiting: executions appended to queries since they were last added up.
        happened: things besides statements and plans.
        runs: pieces of logs, with what is open at their ends.
        reading: the piece that is being read.
    """

    def __init__(self) -> None:
        self.inputs: list[InputFile] = []
        self.logs: list[InputFile] = []
        self.marks: tuple[Mark, ...] = ()
        self.known_bytes: dict[str, int] = {}
        self.redacted: bool | None = None
        self.onto: Run | None = None
        self.tally = Tally()
        self.repetitions = Repetitions()
        self.incidents = IncidentTotals()
        self.plans = KeptPlans()
        self.runs: list[Run] = []
        self.reading: Run | None = None
        self.waiting = 0
        self.happened = 0
        self._queries: dict[str, QueryTotals] = {}
        self._uncounted: dict[str, QueryTotals] = {}
        self._recognisers: dict[str | None, Recogniser] = {}
        self._warnings: dict[str, None] = {}
        self._notes: dict[str, None] = {}
        self._unparsed_like: str | None = None
        self._plan_files: dict[_PlanFile, tuple[QueryPlan, ...]] = {}

    def recogniser(self, database: str | None) -> Recogniser:
        """What is known of one database's texts."""
        known = self._recognisers.get(database)
        if known is None:

            def totals_of(identity: Identity | None, name: str) -> QueryTotals:
                return self._totals(identity, name, database)

            known = self._recognisers[database] = Recogniser(database, totals_of, self._unparsed)
        return known

    def _totals(self, identity: Identity | None, name: str, database: str | None) -> QueryTotals:
        if identity is None:
            return self._uncounted.setdefault(name, QueryTotals(None, None, name))
        totals = self._queries.get(identity.id)
        if totals is None:
            totals = self._queries[identity.id] = QueryTotals(identity, database, identity.id)
        else:
            totals.shown_as(identity)
        return totals

    def _unparsed(self, shape: str) -> None:
        """Of the texts that do not parse, without their literals, the least is kept: whatever the order, the same."""
        known = self._unparsed_like
        self._unparsed_like = shape[:UNPARSED_CHARACTERS] if known is None else min(known, shape[:UNPARSED_CHARACTERS])

    def fold(self) -> None:
        """Adds up the executions that wait for it."""
        for totals in self._queries.values():
            totals.fold()
        for totals in self._uncounted.values():
            totals.fold()
        self.waiting = 0

    def add_incident(self, incident: Incident, record: Record, known: Known | None) -> None:
        """Something besides a statement; `known` is the statement that it happened to."""
        query = known.totals if known is not None else None
        size = getattr(incident, "size_bytes", None)
        if query is not None and size is not None:
            query.temp_files += 1
            query.temp_bytes += size
        query_id = query.id if query is not None else None
        self.happened += 1
        self.incidents.add(incident, record.at_us, query_id, record.database, record.user)

    def keep_plan(self, known: Known | None, record: Record, duration_us: int | None, plan: str) -> None:
        """A plan in a log."""
        query_id = known.totals.id if known is not None else None
        self.plans.add(query_id, record.at_us, duration_us, plan)

    def add_plan_file(self, text: str, name: str, sql: str | None) -> None:
        """The plans of an EXPLAIN output. Raises AdvisorError where there is none that can be read."""
        known = self.recogniser(None).text(sql) if sql is not None else None
        query_id = known.totals.id if known is not None and known.totals.identity is not None else None
        self._add_plan_file((name, query_id, text))

    def _add_plan_file(self, file: _PlanFile) -> None:
        name, query_id, text = file
        try:
            found = parse_plans(text)
        except AdvisorError as error:
            self.warn(f"{name}: {PLAN_UNREADABLE}: {error.what}")
            return
        self._plan_files[file] = tuple(QueryPlan(plan=plan, query_id=query_id, source=name) for plan in found)

    def add_text(self, sql: str, calls: int = 1) -> None:
        """A statement of a `.sql` file."""
        known = self.recogniser(None).text(sql)
        known.totals.add_text(sql, calls, known.tags)

    def add_summary(
        self, sql: str, database: str | None, *, calls: int, timed: int, total_us: int, max_us: int | None = None,
        rows: int | None = None, user: str | None = None,
    ) -> bool:  # fmt: skip
        """Calls of which only the sums are known. False where the text does not parse (it is counted)."""
        known = self.recogniser(database).text(sql)
        known.totals.add_summary(calls, timed, total_us, max_us, rows)
        if known.totals.identity is None:
            return known.totals.id == "empty"
        known.totals.seen_by(user)
        if known.tags:
            known.totals.seen_with(known.tags, calls)
        return True

    def warn(self, message: str) -> None:
        """Notes `message` once; it stays with what is added up."""
        self._warnings.setdefault(message)

    def note(self, message: str) -> None:
        """Notes `message` once: of this run, and no part of what is added up."""
        self._notes.setdefault(message)

    @property
    def notes(self) -> Iterable[str]:
        """What was noted of this run."""
        return self._notes

    def add_input(self, read: InputFile) -> None:
        """What was read."""
        self.inputs.append(read)
        self.logs.append(read)
        self.redacted = False

    @property
    def totals_by_id(self) -> Mapping[str, QueryTotals]:
        """All queries so far by `Query.id`, and what stands for texts that are none."""
        return ChainMap(self._queries, self._uncounted)

    @property
    def queries(self) -> Iterable[QueryTotals]:
        """All queries so far."""
        return self._queries.values()

    @property
    def statements(self) -> int:
        """Executions so far, those included that do not parse."""
        self.fold()
        unparsed = self._uncounted.get("unparsed")
        return sum(totals.calls for totals in self._queries.values()) + (unparsed.calls if unparsed else 0)

    @property
    def timed(self) -> int:
        """Executions whose duration is known."""
        self.fold()
        return sum(totals.timed for totals in self._queries.values())

    @property
    def has_plans(self) -> bool:
        """Whether any plan was read."""
        return bool(self._plan_files) or not self.plans.is_empty

    def add_run(self, run: "Run") -> None:
        """A piece that was read. It is joined to the one before where it goes on with it."""
        if self.onto is not None and _goes_on(self.onto, run):
            self.onto.join(run)
        else:
            self.runs.append(run)
            self.onto = run

    def redact(self) -> None:
        """Drops all literals, and closes what is open at the ends of pieces: that is made of statements."""
        for run in self._chains():
            run.close()
            self.runs.append(run)
        for totals in self._queries.values():
            totals.redact()
        self.repetitions.redact()
        self.incidents.redact()
        self.plans.redact()
        self.tally.redact()
        self._plan_files.clear()
        self._unparsed_like = None
        # What follows is a line of the plan.
        self._warnings = {text.partition(f"{PLAN_UNREADABLE}: ")[0]: None for text in self._warnings}
        self.redacted = True

    def state(self, *, with_queries: bool = True) -> dict[str, Any]:
        """Everything as plain values; equal for equal contents, but for `inputs` and `marks`, which name files.

        Without the queries it is small; they are `query_states`, which must be asked for after it.
        """
        # What is open is put in order first, which may add to the sums.
        runs = sorted((run.state() for run in self.runs), key=_run_order)
        self.fold()
        return {
            "inputs": [asdict(each) for each in _united(self.logs)],
            "marks": marks.state(self.marks),
            "redacted": bool(self.redacted),
            "warnings": sorted(self._warnings),
            "tally": self.tally.state(),
            "uncounted": [[name, totals.calls] for name, totals in sorted(self._uncounted.items())],
            "repetitions": self.repetitions.state(),
            "incidents": self.incidents.state(),
            "plans": self.plans.state(),
            "plan_files": sorted((list(each) for each in self._plan_files), key=repr),
            "unparsed_like": self._unparsed_like,
            "happened": self.happened,
            "runs": runs,
            "queries": list(self.query_states()) if with_queries else [],
        }

    def query_states(self) -> Iterator[list[Any]]:
        """Each query: what it is, its database, and its sums."""
        for _, totals in sorted(self._queries.items()):
            identity = totals.identity
            assert identity is not None
            yield [list(astuple(named(identity))), totals.database, totals.state()]

    def restore(self, state: Mapping[str, Any]) -> None:
        """Adds what another digest's `state` told, in any order."""
        from advisor.workload.run import Run

        self.restore_queries(state["queries"])
        self.redacted = state["redacted"] and self.redacted is not False
        self.logs = _united((*self.logs, *(InputFile(**each) for each in state["inputs"])))
        self.marks = marks.united(self.marks, marks.restore(state["marks"]))
        for warning in state["warnings"]:
            self.warn(warning)
        self.tally.merge(Tally.restore(state["tally"]))
        for name, calls in state["uncounted"]:
            self._totals(None, name, None).calls += calls
        self.repetitions.merge(Repetitions.restore(state["repetitions"]))
        self.incidents.merge(IncidentTotals.restore(state["incidents"]))
        self.plans.restore(state["plans"])
        for name, query_id, text in state["plan_files"]:
            self._add_plan_file((name, query_id, text))
        if state["unparsed_like"] is not None:
            self._unparsed(state["unparsed_like"])
        self.happened += state["happened"]
        for run in state["runs"]:
            self.runs.append(Run.restore(run, self, self.totals_by_id))

    def restore_queries(self, states: Iterable[Sequence[Any]]) -> None:
        """Adds what `query_states` told."""
        for (query_id, kind, control, fingerprint, sql, tables), database, totals in states:
            kept = Named(
                id=query_id,
                kind=kind,
                is_transaction_control=control,
                fingerprint=fingerprint,
                sql=sql,
                tables=tuple(tables),
            )
            self._add_totals(kept, database, totals)

    def _add_totals(self, identity: Named, database: str | None, state: Sequence[Any]) -> None:
        known = self._queries.get(identity.id)
        more = QueryTotals(identity, database, identity.id)
        more.restore(state)
        if known is None:
            self._queries[identity.id] = more
        else:
            known.shown_as(identity)
            known.merge(more)

    def _chains(self) -> Iterator["Run"]:
        """Runs joined as far as one goes on where another ended. One without a time stays behind the one before it."""
        chains: list[Run] = []
        times: list[int] = []
        for run in self.runs:
            times.append(run.first_us if run.first_us is not None else times[-1] if times else -1)
        for _, run in sorted(zip(times, self.runs, strict=True), key=itemgetter(0)):
            for chain in chains:
                if _goes_on(chain, run):
                    chain.join(run)
                    break
            else:
                chains.append(run)
        self.runs = []
        yield from chains

    def freeze(self) -> Workload:
        """Everything as a value, queries with the most time first. The digest must not be added to any more."""
        if self.reading is not None:
            self.runs.append(self.reading)
        windows = []
        for run in self._chains():
            run.close()
            windows.append((run.first_us, run.last_us, run.wanted))
        self.fold()
        if self.repetitions.is_coarse:
            self.note(WHOLE_SECONDS)
        plans = (*self._plans_of_files(), *self.plans.freeze(self._source(), self.note))
        planned = {plan.query_id for plan in plans}
        queries = [totals.freeze() for totals in self._queries.values() if totals.calls or totals.id in planned]
        workload = Workload(
            queries=tuple(sorted(queries, key=lambda query: (-query.total_us, -query.calls, query.id))),
            plans=plans,
            repetitions=self.repetitions.freeze(),
            inputs=tuple(self.inputs),
            coverage=self._coverage(),
            from_us=min((query.first_us for query in queries if query.first_us is not None), default=None),
            to_us=max((query.last_us for query in queries if query.last_us is not None), default=None),
            warnings=(*self._warnings, *self.tally.warnings, *self._notes),
            events=self.incidents.freeze(),
        )
        logs = Logs(
            workload=workload,
            formats=frozenset(each.format for each in self.logs),
            counts=self.incidents.counts,
            windows=windows,
            outside=any(not (totals.calls or totals.errors) for totals in self._queries.values()),
            unparsed_like=self._unparsed_like,
        )
        return with_gaps(logs)

    def _plans_of_files(self) -> Iterator[QueryPlan]:
        for plans in self._plan_files.values():
            yield from plans

    def _source(self) -> str:
        return self.inputs[0].name if len(self.inputs) == 1 else ""

    def _coverage(self) -> Coverage:
        unparsed = self._uncounted.get("unparsed")
        failed = self.tally.unparsed + (unparsed.calls if unparsed else 0)
        statements = sum(totals.calls for totals in self._queries.values()) + failed
        return Coverage(
            bytes_total=self.tally.bytes_total,
            bytes_classified=self.tally.bytes_classified,
            events=statements + self.plans.seen + sum(map(len, self._plan_files.values())) + self.happened,
            statements=statements,
            statements_unparsed=failed,
            oversized=self.tally.oversized,
            unknown=self.tally.unknown,
        )


def _goes_on(run: "Run", later: "Run") -> bool:
    """Whether a piece may go on where another one ended: written alike, and not well before its end."""
    if run.layout != later.layout:
        return False
    if run.last_us is None or later.first_us is None:
        return True
    return later.first_us >= run.last_us - OVERLAP_US


def _united(logs: Iterable[InputFile]) -> list[InputFile]:
    """Each input once, with the bytes that were read of it in all, by name; the first ones if they are very many."""
    size: dict[InputFile, int] = {}
    for each in logs:
        key = replace(each, bytes=0)
        size[key] = size.get(key, 0) + each.bytes
    united = [replace(each, bytes=count) for each, count in size.items()]
    return sorted(united, key=repr)[:MAX_LOGS]


def _run_order(state: Sequence[Any]) -> tuple[int, str]:
    first_us = state[2][0]
    return first_us if first_us is not None else -1, repr(state)

"""The digest of logs: sums that add up in any order, and what is open at the edges of each piece of a log.

Everything is bounded and independent of the order in which it came, but for what one session does after another; that
is kept at the edges of each piece (`runs`), in order of time, and joined when the digest is frozen. So the digest of a
log is the sum of the digests of its pieces, however it is cut.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Any

from advisor.errors import AdvisorError
from advisor.model.incident import Incident
from advisor.model.workload import Coverage, InputFile, QueryPlan, Workload
from advisor.plans.parse import parse_plans
from advisor.sources.record import Record
from advisor.sources.tally import Tally
from advisor.sql.identify import Identity
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
    "The log's times are whole seconds (%t): outside of transactions pauses under 2 s do not separate units of work, so"
    " that statements of several requests may count as one. Use %m in log_line_prefix."
)

OVERLAP_US = 1_000_000
"""Pieces of one log may overlap by the time in which records are written out of order."""


class Digest:
    """Adds up. Not safe to share between threads or processes: merge one per worker instead.

    Attributes:
        waiting: executions appended to queries since they were last added up.
        happened: things besides statements and plans.
        runs: pieces of logs, with what is open at their ends.
        reading: the piece that is being read.
    """

    def __init__(self) -> None:
        self.inputs: list[InputFile] = []
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
        self._read_plans: list[QueryPlan] = []

    def recogniser(self, database: str | None) -> Recogniser:
        """What is known of one database's texts."""
        known = self._recognisers.get(database)
        if known is None:

            def totals_of(identity: Identity | None, name: str) -> QueryTotals:
                return self._totals(identity, name, database)

            known = self._recognisers[database] = Recogniser(database, totals_of)
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
        try:
            found = parse_plans(text)
        except AdvisorError as error:
            self.warn(f"{name}: a plan could not be read: {error.what}")
            return
        self._read_plans += [QueryPlan(plan=plan, query_id=query_id, source=name) for plan in found]

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
        """Notes `message` once."""
        self._warnings.setdefault(message)

    @property
    def totals_by_id(self) -> Mapping[str, QueryTotals]:
        """All queries so far, by `Query.id`."""
        return self._queries

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
        return bool(self._read_plans) or not self.plans.is_empty

    def add_run(self, run: "Run") -> None:
        """A piece that was read. It is joined to the one before where it goes on with it."""
        if self.runs and _goes_on(self.runs[-1], run):
            self.runs[-1].join(run)
        else:
            self.runs.append(run)

    def state(self) -> dict[str, Any]:
        """Everything as plain values."""
        self.fold()
        return {
            "inputs": [asdict(each) for each in self.inputs],
            "warnings": list(self._warnings),
            "tally": self.tally.state(),
            "queries": [
                [list(astuple(named(identity))), totals.database, totals.state()]
                for totals in self._queries.values()
                if (identity := totals.identity) is not None
            ],
            "uncounted": [[name, totals.calls] for name, totals in sorted(self._uncounted.items())],
            "repetitions": self.repetitions.state(),
            "incidents": self.incidents.state(),
            "plans": self.plans.state(),
            "happened": self.happened,
            "runs": [run.state() for run in self.runs],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Adds what another digest's `state` told, in any order."""
        from advisor.workload.run import Run

        self.inputs += [InputFile(**each) for each in state["inputs"]]
        for warning in state["warnings"]:
            self.warn(warning)
        self.tally.merge(Tally.restore(state["tally"]))
        for (query_id, kind, control, fingerprint, sql, tables), database, totals in state["queries"]:
            kept = Named(
                id=query_id,
                kind=kind,
                is_transaction_control=control,
                fingerprint=fingerprint,
                sql=sql,
                tables=tuple(tables),
            )
            self._add_totals(kept, database, totals)
        for name, calls in state["uncounted"]:
            self._totals(None, name, None).calls += calls
        self.repetitions.merge(Repetitions.restore(state["repetitions"]))
        self.incidents.merge(IncidentTotals.restore(state["incidents"]))
        self.plans.restore(state["plans"])
        self.happened += state["happened"]
        for run in state["runs"]:
            self.runs.append(Run.restore(run, self, self._queries))

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
        """Runs joined as far as one goes on where another ended."""
        chains: list[Run] = []
        for run in sorted(self.runs, key=lambda run: run.first_us if run.first_us is not None else -1):
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
        for run in self._chains():
            run.close()
        self.fold()
        if self.repetitions.is_coarse:
            self.warn(WHOLE_SECONDS)
        plans = (*self._read_plans, *self.plans.freeze(self._source(), self.warn))
        planned = {plan.query_id for plan in plans}
        queries = [totals.freeze() for totals in self._queries.values() if totals.calls or totals.id in planned]
        return Workload(
            queries=tuple(sorted(queries, key=lambda query: (-query.total_us, -query.calls, query.id))),
            plans=plans,
            repetitions=self.repetitions.freeze(),
            inputs=tuple(self.inputs),
            coverage=self._coverage(),
            from_us=min((query.first_us for query in queries if query.first_us is not None), default=None),
            to_us=max((query.last_us for query in queries if query.last_us is not None), default=None),
            warnings=(*self._warnings, *self.tally.warnings),
            events=self.incidents.freeze(),
        )

    def _source(self) -> str:
        return self.inputs[0].name if len(self.inputs) == 1 else ""

    def _coverage(self) -> Coverage:
        unparsed = self._uncounted.get("unparsed")
        failed = self.tally.unparsed + (unparsed.calls if unparsed else 0)
        statements = sum(totals.calls for totals in self._queries.values()) + failed
        return Coverage(
            bytes_total=self.tally.bytes_total,
            bytes_classified=self.tally.bytes_classified,
            events=statements + self.plans.seen + len(self._read_plans) + self.happened,
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

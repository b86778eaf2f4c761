"""The digest of a log: a mutable accumulator of events that freezes into a Workload. Digests merge."""

from collections.abc import Iterable, Iterator
from typing import Any

from advisor.errors import AdvisorError
from advisor.model.event import Event
from advisor.model.plan import Plan
from advisor.model.workload import Coverage, InputFile, QueryPlan, UnknownLines, Workload
from advisor.plans.parse import parse_plans
from advisor.sources.messages import root_rows
from advisor.sources.tally import Tally
from advisor.workload.gaps import GapModel
from advisor.workload.recognise import Recogniser
from advisor.workload.repetition import Repetitions
from advisor.workload.totals import FOLD_AT, LONG_CHARACTERS, QueryTotals
from advisor.workload.units import SessionUnits

PLANS_PER_QUERY = 3
"""Plans kept of one query: the first and the slowest; more would say the same."""

MAX_PLANS_WITHOUT_QUERY = 100
"""Plans kept that came without a statement."""

WHOLE_SECONDS = (
    "The log's times are whole seconds (%t): outside of transactions pauses under 2 s do not separate units of work, so"
    " that statements of several requests may count as one. Use %m in log_line_prefix."
)

_WAITING_PLANS = 4
"""Plans of one session that wait for their statement line: nested statements are logged before the outer one."""


class Digest:
    """Adds up events. Not safe to share between threads; merge one per worker instead."""

    def __init__(self) -> None:
        self.inputs: list[InputFile] = []
        self.warnings: list[str] = []
        self.statements = 0
        self.statements_unparsed = 0
        self.events = 0
        self._queries: dict[tuple[str, str | None], QueryTotals] = {}
        self._by_identity: dict[int, QueryTotals] = {}
        self._recognisers: dict[str | None, Recogniser] = {}
        self._sessions: dict[str, SessionUnits] = {}
        self._gaps: dict[str | None, GapModel] = {}
        self._repetitions = Repetitions()
        self._waiting: dict[str, list[tuple[QueryTotals, Event, int | None]]] = {}
        self._plans: dict[str | None, list[QueryPlan]] = {}
        self._source = ""
        self._coverage = {"bytes_total": 0, "bytes_classified": 0, "oversized": 0}
        self._unknown: dict[str, int] = {}

    def begin_input(self, name: str) -> None:
        """What is added next comes from this input."""
        self._source = name

    def add(self, event: Event) -> None:
        """One event."""
        self.add_all((event,))

    def add_all(self, events: Iterable[Event], since_us: int | None = None, until_us: int | None = None) -> None:
        """Events in the order of the log; those outside of the given time are left out."""
        if since_us is not None or until_us is not None:
            events = _within(events, since_us, until_us)
        statement, count = self._statement, 0
        try:
            for event in events:
                count += 1
                if event[0] == "statement":
                    statement(event)
                elif event[0] == "plan":
                    self._plan(event)
                elif event[0] in ("connection", "disconnection"):
                    self._end_session(event[2])
        finally:
            self.events += count

    def _statement(self, event: Event) -> None:
        (
            _, _, session, _, database, user, application, sql, _, _, rows, _, _, _, _, _, calls,
        ) = event  # fmt: skip
        if sql is None:
            return
        recogniser = self._recognisers.get(database) or self._recogniser(database)
        identity, tags, trace, empty = recogniser.texts.get(sql) or recogniser.recognise_new(sql)
        if empty:
            return
        self.statements += calls
        if identity is None:
            self.statements_unparsed += calls
            return
        totals = self._by_identity.get(id(identity)) or self._totals(identity, database)
        if tags:
            totals.seen_with(tags)
        if user != totals.user:
            totals.seen_by(user)
        batch = totals.batch
        batch.append(event)
        if len(batch) >= FOLD_AT or len(sql) > LONG_CHARACTERS:
            totals.fold()
        if rows is not None:
            totals.add_rows(rows)
        if calls != 1:
            totals.add_summary(calls - 1, 0, 0, None, None)
        if session is not None:
            units = self._sessions.get(session) or self._session(session, application)
            if self._waiting and session in self._waiting:
                rows = self._claim_plan(session, totals, rows)
            units.add(totals, event, rows, trace)

    def _recogniser(self, database: str | None) -> Recogniser:
        recogniser = self._recognisers[database] = Recogniser(database)
        return recogniser

    def _totals(self, identity: Any, database: str | None) -> QueryTotals:
        key = (identity.id, database)
        totals = self._queries.get(key)
        if totals is None:
            totals = self._queries[key] = QueryTotals(identity, database)
        # An identity lives as long as its totals only where it is theirs: others are looked up by value.
        if totals.identity is identity:
            self._by_identity[id(identity)] = totals
        return totals

    def _session(self, key: str, application: str | None) -> SessionUnits:
        gaps = self._gaps.get(application)
        if gaps is None:
            gaps = self._gaps[application] = GapModel()
        units = self._sessions[key] = SessionUnits(key, gaps, self._repetitions)
        return units

    def _end_session(self, session: str | None) -> None:
        if session is None:
            return
        self._release_plans(session)
        units = self._sessions.pop(session, None)
        if units is not None:
            units.close()

    def _plan(self, event: Event) -> None:
        """A plan belongs to a statement line just before it (extended protocol) or after it, or is a call itself."""
        rows = root_rows(event.plan or "")
        found = None
        if event.sql is not None:
            recogniser = self._recognisers.setdefault(event.database, Recogniser(event.database))
            found = recogniser.recognise(event.sql).identity
        totals = self._totals(found, event.database) if found is not None else None
        self._keep_plan(event, totals)
        if totals is None or event.session is None:
            return
        units = self._sessions.get(event.session)
        if units is not None and units.attach_plan(totals, event.duration_us, rows):
            return
        waiting = self._waiting.setdefault(event.session, [])
        waiting.append((totals, event, rows))
        if len(waiting) > _WAITING_PLANS:
            self._count_plan(*waiting.pop(0))

    def _claim_plan(self, session: str, totals: QueryTotals, rows: int | None) -> int | None:
        """A statement line takes its plan out of those waiting; any others were executions without a line."""
        waiting = self._waiting.pop(session)
        for position in range(len(waiting) - 1, -1, -1):
            if waiting[position][0] is totals:
                plan_rows = waiting.pop(position)[2]
                if rows is None:
                    rows = plan_rows
                    totals.add_rows(plan_rows)
                break
        for entry in waiting:
            self._count_plan(*entry)
        return rows

    def _count_plan(self, totals: QueryTotals, event: Event, rows: int | None) -> None:
        """An execution that is known by its plan only."""
        self.statements += 1
        totals.seen_by(event.user)
        totals.add(event)
        totals.add_rows(rows)
        key = event.session or ""
        units = self._sessions.get(key) or self._session(key, event.application)
        units.add(totals, event, rows, None)

    def _release_plans(self, session: str) -> None:
        for entry in self._waiting.pop(session, ()):
            self._count_plan(*entry)

    def _keep_plan(self, event: Event, totals: QueryTotals | None) -> None:
        key = totals.identity.id if totals else None
        kept = self._plans.setdefault(key, [])
        if key is None and len(kept) >= MAX_PLANS_WITHOUT_QUERY:
            return
        slowest = event.duration_us or 0
        if key is not None and len(kept) >= PLANS_PER_QUERY and slowest <= min(_duration(each) for each in kept[1:]):
            return
        try:
            plans = parse_plans(event.plan or "")
        except AdvisorError as error:
            self.warn(f"{self._source}: a plan could not be read: {error.what}")
            return
        self._add_plans(key, [_query_plan(plan, key, event, self._source) for plan in plans])

    def _add_plans(self, key: str | None, plans: Iterable[QueryPlan]) -> None:
        kept = [*self._plans.get(key, ()), *plans]
        if key is not None:
            kept = [kept[0], *sorted(kept[1:], key=_duration, reverse=True)[: PLANS_PER_QUERY - 1]] if kept else kept
        self._plans[key] = kept[:MAX_PLANS_WITHOUT_QUERY]

    def add_summary(
        self, sql: str, database: str | None, *, calls: int, timed: int, total_us: int, max_us: int | None = None,
        rows: int | None = None, user: str | None = None,
    ) -> bool:  # fmt: skip
        """Calls of which only the sums are known. False where the text does not parse (it is counted)."""
        recogniser = self._recognisers.setdefault(database, Recogniser(database))
        found = recogniser.recognise(sql)
        if found.empty:
            return True
        self.statements += calls
        if found.identity is None:
            self.statements_unparsed += calls
            return False
        totals = self._totals(found.identity, database)
        totals.seen_by(user)
        totals.seen_with(found.tags or {})
        totals.add_summary(calls, timed, total_us, max_us, rows)
        return True

    def end_input(self, tally: Tally, described: InputFile) -> None:
        """The account of an input that was read (as far as it was)."""
        self.inputs.append(described)
        self._coverage["bytes_total"] += tally.bytes_total
        self._coverage["bytes_classified"] += tally.bytes_classified
        self._coverage["oversized"] += tally.oversized
        for unknown in tally.unknown:
            self._unknown[unknown.sample] = self._unknown.get(unknown.sample, 0) + unknown.count
        for warning in tally.warnings:
            self.warn(warning)

    def warn(self, message: str) -> None:
        """Notes `message` once."""
        if message not in self.warnings:
            self.warnings.append(message)

    @property
    def timed(self) -> int:
        """Executions whose duration is known."""
        return sum(totals.timed for totals in self._queries.values())

    @property
    def has_plans(self) -> bool:
        """Whether any plan was read."""
        return any(self._plans.values())

    def merge(self, other: "Digest") -> None:
        """Adds another digest, as if its input came after this one's; `other` must not be used any more."""
        self.finish()
        other.finish()
        for key, totals in other._queries.items():
            mine = self._queries.get(key)
            if mine is None:
                self._queries[key] = totals
            else:
                mine.merge(totals)
        self._repetitions.merge(other._repetitions)
        for query_id, plans in other._plans.items():
            self._add_plans(query_id, plans)
        for name in ("statements", "statements_unparsed", "events"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.inputs.extend(other.inputs)
        for field, count in other._coverage.items():
            self._coverage[field] += count
        for sample, count in other._unknown.items():
            self._unknown[sample] = self._unknown.get(sample, 0) + count
        for warning in other.warnings:
            self.warn(warning)

    def finish(self) -> None:
        """Closes what is open: units of work, and plans that waited for a statement line."""
        for session in list(self._waiting):
            self._release_plans(session)
        for units in self._sessions.values():
            units.close()
        self._sessions.clear()

    def freeze(self) -> Workload:
        """Everything so far, as a value; queries with the most time first."""
        self.finish()
        if any(gaps.is_coarse for gaps in self._gaps.values()):
            self.warn(WHOLE_SECONDS)
        queries = [totals.freeze() for totals in self._queries.values()]
        queries = [query for query in queries if query.calls or query.id in self._plans]
        unknown = sorted(self._unknown.items(), key=lambda entry: (-entry[1], entry[0]))
        return Workload(
            queries=tuple(sorted(queries, key=lambda query: (-query.total_us, -query.calls, query.id))),
            plans=tuple(plan for plans in self._plans.values() for plan in plans),
            repetitions=self._repetitions.freeze(),
            inputs=tuple(self.inputs),
            coverage=Coverage(
                **self._coverage,
                events=self.events,
                statements=self.statements,
                statements_unparsed=self.statements_unparsed,
                unknown=tuple(UnknownLines(sample=sample, count=count) for sample, count in unknown),
            ),
            from_us=min((query.first_us for query in queries if query.first_us is not None), default=None),
            to_us=max((query.last_us for query in queries if query.last_us is not None), default=None),
            warnings=tuple(self.warnings),
        )


def _within(events: Iterable[Event], since_us: int | None, until_us: int | None) -> Iterator[Event]:
    """The events within a time, ends included; those without a time are kept."""
    for event in events:
        at = event.at_us
        if at is None or ((since_us is None or at >= since_us) and (until_us is None or at <= until_us)):
            yield event


def _duration(plan: QueryPlan) -> int:
    return plan.duration_us or 0


def _query_plan(plan: Plan, query_id: str | None, event: Event, source: str) -> QueryPlan:
    return QueryPlan(plan=plan, query_id=query_id, duration_us=event.duration_us, source=source)

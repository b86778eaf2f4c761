"""One piece of a log while it is read, and what of it is open at its two ends."""

from collections.abc import Mapping, Sequence
from typing import Any

from advisor.model.execution import Context
from advisor.sources.incidents import read_incident
from advisor.sources.layout import Layout, open_reader
from advisor.sources.messages import MESSAGE, parameters_text, root_blocks, root_rows, split_plan
from advisor.sources.reader import Edges, Reader, first_start, last_start, read_edge
from advisor.sources.record import Record
from advisor.sources.tally import OVERSIZED_BYTES, Tally
from advisor.workload.digest import Digest
from advisor.workload.honesty import BARE, kinds_of, moved_to
from advisor.workload.known import Known
from advisor.workload.session import LoggedPlan, Session, SessionStream, Start
from advisor.workload.units import SessionUnits
from advisor.workload.window import Window

EDGE_US = 3_200_000
"""Work that starts so long after the beginning of a piece has a pause before it that separates at any threshold (see
`units`: 2.1 s), with a second for records that are written out of order."""

IDLE_US = 60_000_000
"""After a minute nothing that a session has open still matters, and it need not be remembered."""

SWEEP_BLOCKS = 32
"""Blocks between two looks for idle sessions."""

MAX_ENDED = 256
MAX_STREAMS = 1 << 14
"""Sessions that ended, and heads of records, that are remembered before such a look."""

FOLD_AT = 1 << 15
"""Executions that wait to be added up: columns of many cost less than few, and so many fill a few megabytes."""

_ERRORS = frozenset(("ERROR", "FATAL", "PANIC"))


class Run:
    """Takes what a reader reads, sessions in `sessions`, sums in the digest it belongs to.

    Attributes:
        layout: what the reader needs to know.
        edges: bytes that cannot be read without the neighbours.
        first_us, last_us: times of the first and of the last record; None where the log has no times.
        ended_at: what its last bytes are known by (`Mark.tail_hash`), to go on there; None where that is not kept.
    """

    def __init__(self, digest: Digest, layout: Layout, wanted: Window | None = None) -> None:
        """`wanted` says of a record's time whether it is; None where all are."""
        self.digest = digest
        self.wanted = wanted
        self.layout = layout
        self.tally: Tally = digest.tally
        self.reader: Reader = open_reader(layout, self, self.tally)
        self.sessions: dict[str, Session] = {}
        self.edges = Edges()
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.ended_at: bytes | None = None
        self._start = Start()
        self._streams: dict[tuple[str, str | None, str | None, str | None], SessionStream] = {}
        self._blocks = 0
        self._is_closing = False
        self._ended = 0

    def begins_at(self, at_us: int | None) -> None:
        """The time of the first record."""
        self.first_us = at_us
        self._start.known_us = at_us + EDGE_US if at_us is not None else None

    def stream(self, session: str, database: str | None, user: str | None, application: str | None) -> SessionStream:
        """The stream of a record's head."""
        key = (session, database, user, application)
        known = self._streams.get(key)
        if known is None:
            of = self.session(session)
            known = SessionStream(of, Context(*key), self.digest.recogniser(database))
            of.streams.append(known)
            self._streams[key] = known
        return known

    def session(self, key: str) -> Session:
        """A session, new where it was not seen before."""
        known = self.sessions.get(key)
        if known is None:
            units = SessionUnits(key, self.digest.repetitions)
            known = self.sessions[key] = Session(key, units, start=self._start, wanted=self.wanted)
            if self._is_closing:
                known.begin()
        return known

    def record(self, record: Record) -> None:
        """A record of any kind."""
        severity = record.severity
        if severity == "LOG":
            parts = MESSAGE.match(record.message)
            assert parts is not None
            ms, us, step, name, text = parts.groups()
            duration = int(ms) * 1000 + int(us) if ms is not None else None
            if step is not None and not (step == "plan" and duration is None):
                self._step(record, step, name, duration, text)
                return
            if duration is not None:
                if not text:
                    self._stream_of(record).session.bare_duration(duration, record.at_us)
                    if self.wanted is None or self.wanted(record.at_us):
                        self.digest.incidents.count((BARE,))
                return
        if self.wanted is None or self.wanted(record.at_us):
            self.digest.incidents.count(kinds_of(record))
            self._incident(record)

    def _stream_of(self, record: Record) -> SessionStream:
        return self.stream(record.session, record.database, record.user, record.application)

    def _step(self, record: Record, step: str, name: str, duration: int | None, text: str) -> None:
        stream = self._stream_of(record)
        if step == "plan":
            self._plan(record, stream, duration or 0, text)
            return
        if step in ("parse", "bind"):
            if duration is not None:
                stream.session.step(duration)
            return
        if len(text) > OVERSIZED_BYTES:
            self.tally.oversized += 1
            text = text[:OVERSIZED_BYTES]
        message = f"{step}{name}: {text}".encode("utf-8", "replace")
        known = stream.recognise(message)
        detail = record.detail
        bound = detail.encode("utf-8", "replace") if detail and detail[:12] in _PARAMETERS else None
        if known is not None:
            stream.session.execution(known, record.at_us, duration, message, bound, stream.context)

    def _plan(self, record: Record, stream: SessionStream, duration: int, text: str) -> None:
        sql, parameters, plan, _ = split_plan(text)
        known = self.digest.recogniser(record.database).text(sql) if sql is not None else None
        wanted = self.wanted is None or self.wanted(record.at_us)
        if known is not None and known.totals.identity is None:
            known = None
        if wanted:
            self.digest.keep_plan(known, record, duration, plan)
        if known is None or sql is None:
            return
        if wanted:
            known.totals.add_plan(root_blocks(plan))
        message = f"statement: {sql}".encode("utf-8", "replace")
        bound = parameters_text(parameters).encode("utf-8", "replace") if parameters else None
        rows = root_rows(plan)
        stream.session.plan(LoggedPlan(known, record.at_us, duration, message, bound, stream.context, rows))

    def _incident(self, record: Record) -> None:
        incident = read_incident(record.severity, record.message, record.detail, record.sqlstate, record.context)
        known: Known | None = None
        if record.statement:
            known = self.digest.recogniser(record.database).text(record.statement)
            if known.totals.identity is None:
                known = None
        if record.severity in _ERRORS:
            self._stream_of(record).session.error(known.totals if known else None)
        elif record.message.startswith("connection authorized"):
            self.session(record.session).begin()
        elif record.message.startswith("disconnection: "):
            self._end(record.session)
        if incident is not None:
            self.digest.add_incident(incident, record, known)
        if (moved := moved_to(record)) is not None:
            self.digest.warn(moved)

    def settle(self) -> None:
        """A block of whole records was read: what was appended is added up."""
        for session in self.sessions.values():
            if session.pending:
                self.digest.waiting += len(session.pending)
                session.flush()
        if self.digest.waiting >= FOLD_AT:
            self.digest.fold()
        self._blocks += 1
        if self._ended >= MAX_ENDED or len(self._streams) >= MAX_STREAMS or self._blocks % SWEEP_BLOCKS == 0:
            self._sweep()

    def _end(self, key: str) -> None:
        self.session(key).end()
        self._ended += 1

    def _sweep(self) -> None:
        """Lets go of sessions that ended or were idle for long; only between blocks, as readers hold on to streams."""
        times = [each.last_us for each in self.sessions.values() if each.last_us is not None]
        long_ago = max(times, default=0) - IDLE_US
        for key, session in list(self.sessions.items()):
            is_idle = session.last_us is not None and session.last_us < long_ago
            is_open = session.is_open or session.steps_us > 0
            if session.certain and not is_open and (session.ended or is_idle):
                session.end()
                session.streams.clear()
                del self.sessions[key]
        self._ended = 0
        self._forget_streams()

    def _forget_streams(self) -> None:
        for session in self.sessions.values():
            session.streams.clear()
        self._streams.clear()
        self.reader.forget()

    def ends(self, edges: Edges) -> None:
        """The piece is read but for its edges."""
        self.edges = edges
        tail = self.reader.time(edges.tail) if edges.tail else None
        self.last_us = tail if tail is not None else self.first_us
        self._forget_streams()

    def join(self, later: "Run") -> None:
        """Goes on with the piece that follows; `later` must not be used any more."""
        tail, head = self.edges.tail, later.edges.head
        self.ended_at = later.ended_at
        if tail is None:
            whole = self.edges.head + head
            start = first_start(whole, self.reader.starts)
            # A record that begins there was torn.
            head, tail = (whole, None) if start < 0 else (whole[:start], whole[start:])
            self.begins_at(self.reader.time(tail) if tail is not None else later.first_us)
            self.last_us = self.first_us
        else:
            head, tail = self.edges.head, tail + head
            if self.first_us is None:
                self.begins_at(self.reader.time(tail))
        if later.edges.tail is None:
            self.edges = Edges(head=head, tail=self._last_record(tail) if tail is not None else None)
            return
        if tail is not None:
            read_edge(tail, self.reader, self.tally)
        self.edges = Edges(head=head, tail=later.edges.tail)
        self._want(later.wanted)
        for key, session in later.sessions.items():
            mine = self.sessions.get(key)
            if mine is None and session.certain:
                self.sessions[key] = session
                continue
            if mine is None:
                mine = self.sessions[key] = Session(
                    key, SessionUnits(key, self.digest.repetitions), start=self._start, wanted=self.wanted
                )
            if session.certain:
                mine.end()
            mine.join(session)
        self.last_us = later.last_us if later.last_us is not None else self.last_us
        self._forget_streams()

    def _last_record(self, tail: bytes) -> bytes:
        """Reads all records but the last one."""
        cut = last_start(tail, self.reader.starts)
        if cut:
            read_edge(tail[:cut], self.reader, self.tally)
        last_us = self.reader.time(tail[cut:])
        self.last_us = last_us if last_us is not None else self.last_us
        return tail[cut:]

    def _want(self, wanted: Window | None) -> None:
        """From now on other records are wanted."""
        if wanted != self.wanted:
            self.wanted = wanted
            for session in self.sessions.values():
                session.want(wanted)

    def close(self) -> None:
        """Nothing came before and nothing comes after: what is open is added up."""
        for key, session in list(self.sessions.items()):
            begun = Session(key, SessionUnits(key, self.digest.repetitions), wanted=self.wanted)
            begun.begin()
            begun.join(session)
            self.sessions[key] = begun
        self._is_closing = True
        self._forget_streams()
        read_edge(self.edges.head, self.reader, self.tally)
        if self.edges.tail:
            read_edge(self.edges.tail, self.reader, self.tally)
        self.edges = Edges()
        for session in self.sessions.values():
            session.finish()
        self.sessions.clear()

    def state(self) -> list[Any]:
        """Everything that is open, as plain values; equal for equal contents."""
        self._sweep()
        return [
            self.layout.state(),
            [self.edges.head, self.edges.tail],
            [self.first_us, self.last_us, self.ended_at],
            self.wanted.state() if self.wanted is not None else None,
            [session.state() for _, session in sorted(self.sessions.items())],
        ]

    @classmethod
    def restore(cls, state: Sequence[Any], digest: Digest, totals: Mapping[str, Any]) -> "Run":
        """What `state` told, in a digest that has the queries."""
        layout, (head, tail), (first_us, last_us, ended_at), wanted, sessions = state
        run = cls(digest, Layout.restore(layout), Window.restore(wanted) if wanted is not None else None)
        run.edges = Edges(head=head, tail=tail)
        run.begins_at(first_us)
        run.last_us, run.ended_at = last_us, ended_at
        for each in sessions:
            session = Session.restore(each, totals, digest.repetitions, start=run._start, wanted=run.wanted)
            run.sessions[session.key] = session
        return run


_PARAMETERS = frozenset(("Parameters: ", "parameters: "))

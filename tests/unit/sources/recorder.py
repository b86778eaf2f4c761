"""A digest that tells what reached it, one by one: executions, records of trouble, plans."""

from pathlib import Path
from typing import NamedTuple

from advisor.model.execution import Context, Execution
from advisor.model.incident import Failure, Incident
from advisor.sources.layout import Layout, LogFormat
from advisor.sources.messages import parse_parameters
from advisor.sources.prefix import infer_prefix
from advisor.sources.reader import read_piece
from advisor.sources.record import Record
from advisor.sources.text import decoded
from advisor.sql.identify import Identity
from advisor.workload.digest import Digest
from advisor.workload.known import Known
from advisor.workload.recognise import text_of
from advisor.workload.run import Run
from advisor.workload.session import Session
from advisor.workload.totals import QueryTotals

DATA = Path(__file__).parent / "data"
FORMATS: dict[str, LogFormat] = {"log": "stderr", "csv": "csv", "json": "json"}
PREFIXES = {
    "min0": "%m [%p] %q%u@%d/%a ",
    "all": "%m [%p] %c %v %e ",
    "explain_json": "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
    "explain_text": "%m [%p] ",
}
"""See `make.py`."""


class Executed(NamedTuple):
    """An execution as a test wants to see it."""

    sql: str
    values: tuple[str | None, ...] | None
    duration_us: int | None
    at_us: int | None
    context: Context
    rows: int | None

    @property
    def head(self) -> tuple[str | None, str | None, str | None]:
        return self.context.database, self.context.user, self.context.application


class Planned(NamedTuple):
    """A plan as it was kept."""

    query_id: str | None
    sql: str | None
    duration_us: int | None
    plan: str


class Recorder(Digest):
    """`executions` in the order in which they were complete."""

    def __init__(self) -> None:
        super().__init__()
        self.executions: list[Executed] = []
        self.incidents_seen: list[tuple[Incident, Record, str | None]] = []
        self.planned: list[Planned] = []
        self._watched: set[int] = set()

    def _totals(self, identity: Identity | None, name: str, database: str | None) -> QueryTotals:
        totals = super()._totals(identity, name, database)
        if id(totals) not in self._watched:
            self._watched.add(id(totals))
            append = totals.append

            def record(execution: Execution) -> None:
                self.executions.append(_executed(execution))
                append(execution)

            totals.append = record
        return totals

    def add_incident(self, incident: Incident, record: Record, known: Known | None) -> None:
        self.incidents_seen.append((incident, record, known.totals.id if known is not None else None))
        super().add_incident(incident, record, known)

    def keep_plan(self, known: Known | None, record: Record, duration_us: int | None, plan: str) -> None:
        identity = known.totals.identity if known is not None else None
        query_id, sql = (identity.id, identity.sql) if identity is not None else (None, None)
        self.planned.append(Planned(query_id, sql, duration_us, plan))
        super().keep_plan(known, record, duration_us, plan)

    @property
    def failures(self) -> list[tuple[str | None, str | None]]:
        """SQLSTATE and statement of each error."""
        return [
            (each.sqlstate, record.statement) for each, record, _ in self.incidents_seen if isinstance(each, Failure)
        ]

    @property
    def shown(self) -> list[tuple[str, int | None]]:
        """Texts and durations."""
        return [(each.sql, each.duration_us) for each in self.executions]


class WholeRun(Run):
    """Of a log with nothing before it: no session has to wait for what that might be."""

    def session(self, key: str) -> Session:
        is_new = key not in self.sessions
        session = super().session(key)
        if is_new:
            session.begin()
        return session


def _executed(execution: Execution) -> Executed:
    values = parse_parameters(decoded(execution.detail)) if execution.detail is not None else None
    sql = text_of(execution.message)
    return Executed(sql, values, execution.duration_us, execution.at_us, execution.context, execution.rows)


def layout_of(data: bytes, log_format: LogFormat, prefix: str | None = None) -> Layout:
    """How a log is written whose format is known."""
    if log_format != "stderr":
        return Layout(format=log_format)
    return Layout(format="stderr", prefix=prefix or infer_prefix(data.decode("utf-8", "replace")))


def recorded(
    data: bytes, log_format: LogFormat = "stderr", *, prefix: str | None = None, block: int = 1 << 20
) -> Recorder:
    """A whole log read in blocks of so many bytes, to its end."""
    recorder = Recorder()
    run = WholeRun(recorder, layout_of(data, log_format, prefix))
    blocks = (data[start : start + block] for start in range(0, len(data), block))
    run.ends(read_piece(blocks, run.reader, recorder.tally, run.begins_at))
    run.close()
    recorder.fold()
    return recorder


def data_of(name: str) -> tuple[bytes, LogFormat]:
    return (DATA / name).read_bytes(), FORMATS[name.rpartition(".")[2]]


def of_file(name: str) -> Recorder:
    data, log_format = data_of(name)
    return recorded(data, log_format, prefix=prefix_of(name))


def prefix_of(name: str) -> str:
    return PREFIXES[name.partition("-")[0]]

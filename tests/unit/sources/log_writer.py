"""A server that writes a stderr log with any `log_line_prefix`.

Written after `src/backend/utils/error/elog.c` (log_status_format, send_message_to_server_log), on its own: it shares
nothing with the reader.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone


@dataclass(slots=True, kw_only=True)
class Process:
    """A process of the server. `client`: it serves one; `slot`: it has a place in shared memory."""

    pid: int
    start: datetime
    kind: str
    client: bool = False
    slot: bool = True
    user: str = ""
    database: str = ""
    application: str = ""
    host: str = ""
    port: str = ""
    local: str = ""
    leader: int | None = None
    backend: int = 3
    lines: int = 0
    local_transaction: int = 1
    transaction: int = 0
    query_id: int = 0
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A time zone as strftime's %Z names it."""

    name: str
    offset: timezone


@dataclass(slots=True, kw_only=True)
class Writer:
    """Collects the lines. `truth`: of each line with a severity, the fields a reader may ask for."""

    prefix: str
    zone: Zone
    verbose: bool = False
    marks: dict[str, str] = field(default_factory=dict)
    unknown: str = "[unknown]"
    translate: Callable[[str], str] = str
    lines: list[str] = field(default_factory=list)
    truth: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def log(
        self,
        process: Process,
        at: datetime,
        severity: str,
        message: str,
        *,
        state: str = "00000",
        detail: str = "",
        statement: str = "",
        hint: str = "",
    ) -> None:
        """One record, as one write."""
        code = f"{state}: " if self.verbose else ""
        self._line(process, at, state, severity, code + self.translate(message))
        if detail:
            self._line(process, at, state, "DETAIL", self.translate(detail))
        if hint:
            self._line(process, at, state, "HINT", hint)
        if self.verbose:
            self._line(process, at, state, "LOCATION", "exec_simple_query, postgres.c:1301")
        if statement:
            self._line(process, at, state, "STATEMENT", statement)

    def _line(self, process: Process, at: datetime, state: str, severity: str, text: str) -> None:
        process.lines += 1
        head = self.head(process, at, state)
        mark = self.marks.get(severity, f"{severity}:  ")
        self.lines.append(head + mark + text.replace("\n", "\n\t"))
        self.truth.append((head, self._fields(process, at)))

    def _fields(self, process: Process, at: datetime) -> dict[str, str]:
        local = at.astimezone(self.zone.offset)
        session = f"{int(process.start.timestamp()):x}.{process.pid:x}"
        found = {"pid": str(process.pid), "session": session, "second": f"{local:%Y-%m-%d %H:%M:%S}"}
        found |= {"fraction": f"{local.microsecond // 1000:03d}", "zone": self.zone.name}
        found["epoch"] = f"{int(at.timestamp())}.{at.microsecond // 1000:03d}"
        if process.client:
            found |= {"user": process.user or self.unknown, "database": process.database or self.unknown}
            found["application"] = process.application or self.unknown
        else:
            found |= {"user": "", "database": "", "application": ""}
        return found

    def head(self, process: Process, at: datetime, state: str) -> str:
        """The prefix of a line."""
        out: list[str] = []
        position = 0
        while position < len(self.prefix):
            letter = self.prefix[position]
            position += 1
            if letter != "%":
                out.append(letter)
                continue
            if self.prefix[position] == "%":
                out.append("%")
                position += 1
                continue
            digits = ""
            while self.prefix[position] in "-0123456789":
                digits += self.prefix[position]
                position += 1
            letter = self.prefix[position]
            position += 1
            if letter == "q":
                if not process.client:
                    break
                continue
            value = self._value(letter, process, at, state)
            width = int(digits or 0)
            out.append(value.ljust(-width) if width < 0 else value.rjust(width))
        return "".join(out)

    def _value(self, letter: str, process: Process, at: datetime, state: str) -> str:
        local = at.astimezone(self.zone.offset)
        start = process.start.astimezone(self.zone.offset)
        if letter in "audrhi" and not process.client:
            return ""
        if letter == "v":
            return f"{process.backend}/{process.local_transaction}" if process.slot else ""
        if letter == "P":
            return "" if process.leader is None else str(process.leader)
        return {
            "a": process.application or self.unknown,
            "u": process.user or self.unknown,
            "d": process.database or self.unknown,
            "b": process.kind,
            "c": f"{int(process.start.timestamp()):x}.{process.pid:x}",
            "p": str(process.pid),
            "l": str(process.lines),
            "m": f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d} {self.zone.name}",
            "t": f"{local:%Y-%m-%d %H:%M:%S} {self.zone.name}",
            "n": f"{int(at.timestamp())}.{at.microsecond // 1000:03d}",
            "s": f"{start:%Y-%m-%d %H:%M:%S} {self.zone.name}",
            "i": process.command,
            "L": (process.local or "[local]") if process.client else "[none]",
            "r": f"{process.host}({process.port})" if process.port else process.host,
            "h": process.host,
            "x": str(process.transaction),
            "e": state,
            "Q": str(process.query_id),
        }[letter]


ZONES = (
    Zone(name="UTC", offset=UTC),
    Zone(name="CET", offset=timezone(timedelta(hours=1))),
    Zone(name="+02", offset=timezone(timedelta(hours=2))),
    Zone(name="-03", offset=timezone(timedelta(hours=-3))),
    Zone(name="+0530", offset=timezone(timedelta(hours=5, minutes=30))),
)

STATEMENTS = (
    "SELECT id, total\n  FROM orders\n WHERE customer_id = 7\n ORDER BY created_at DESC",
    "UPDATE shipments SET status = 'lost' WHERE id = 3",
    "INSERT INTO t VALUES (1, 'a: b'), (2, 'LOG:  x')",
    "select 1",
    "BEGIN",
    "COMMIT",
)
PLAN = (
    "duration: 12.345 ms  plan:\nQuery Text: select * from orders where id = 1\n"
    "Index Scan using orders_pkey on orders  (cost=0.29..8.31 rows=1 width=36) (actual rows=1 loops=1)\n"
    "  Index Cond: (id = 1)"
)


def write_traffic(
    writer: Writer, seed: int, *, connections: bool = True, foreign: float = 0.0, records: int = 260
) -> str:
    """The log of a server from its start: sessions side by side, background processes, errors, plans."""
    chance = random.Random(seed)
    at = datetime(2026, 11, 20, 23, 3, tzinfo=UTC) + timedelta(seconds=chance.randrange(86400))
    postmaster = Process(pid=chance.choice((1, 811, 70811)), start=at, kind="postmaster", slot=False)
    writer.log(postmaster, at, "LOG", "starting PostgreSQL 15.4 on x86_64-pc-linux-gnu, compiled by gcc, 64-bit")
    writer.log(postmaster, at, "LOG", 'listening on IPv4 address "0.0.0.0", port 5432')
    startup = Process(pid=postmaster.pid + 4, start=at, kind="startup")
    writer.log(startup, at, "LOG", "database system was shut down at 2026-11-20 23:02:59 UTC")
    writer.log(postmaster, at, "LOG", "database system is ready to accept connections")
    checkpointer = Process(pid=postmaster.pid + 2, start=at, kind="checkpointer", backend=0, local_transaction=0)
    users, databases, applications = _people(chance)
    # Only PostgreSQL 13 and newer name the application in a connection's message.
    named = chance.random() < 0.5
    sessions: list[Process] = []
    next_pid = postmaster.pid + chance.choice((10, 900, 8000))
    for number in range(records):
        at += timedelta(milliseconds=chance.choice((1, 3, 40, 700)))
        if len(sessions) < 3 or chance.random() < 0.06:
            next_pid += chance.randrange(1, 4)
            person = chance.randrange(len(users))
            session = Process(
                pid=next_pid,
                start=at,
                kind="client backend",
                client=True,
                backend=3 + len(sessions),
                slot=False,
            )
            _connect(
                writer,
                chance,
                session,
                at,
                users[person],
                databases[person],
                chance.choice(applications),
                connections=connections,
                named_applications=named,
            )
            sessions.append(session)
        if number % 60 == 5:
            writer.log(checkpointer, at, "LOG", "checkpoint starting: time")
            writer.log(checkpointer, at, "LOG", "checkpoint complete: wrote 3 buffers (0.0%); 0 WAL file(s) added")
        if number % 70 == 20:
            vacuum = Process(pid=next_pid + 1, start=at, kind="autovacuum worker", backend=9, local_transaction=44)
            text = f'automatic vacuum of table "{databases[0]}.public.orders": index scans: 0\npages: 0 removed'
            next_pid += 1
            writer.log(vacuum, at, "LOG", text)
        session = chance.choice(sessions)
        _work(writer, chance, session, at)
        if chance.random() < 0.04 and len(sessions) > 2:
            sessions.remove(session)
            if connections:
                port = f" port={session.port}" if session.port else ""
                text = f"disconnection: session time: 0:00:0{number % 10}.123 user={session.user}"
                session.command = "idle"
                writer.log(session, at, "LOG", f"{text} database={session.database} host={session.host}{port}")
        for _ in range(int(chance.random() < foreign)):
            writer.lines.append(chance.choice(FOREIGN))
    return "\n".join(writer.lines) + "\n"


FOREIGN = (
    "psql: warning: extra command-line argument ignored",
    "2026-11-20T23:09:59Z INFO patroni: no action. I am (pg-1), the leader with the lock",
    "waiting for server to start....",
    "Nov 20 23:09:59 host systemd[1]: Started PostgreSQL.",
    "ERROR: this is no server's line",
)

PEOPLE = (
    (("app", "report", "postgres"), ("shop", "shop", "postgres")),
    (("shop_rw", "shop_ro"), ("shop_prod", "shop_prod")),
    (("a", "b"), ("b", "c")),
    (("web-1", "web-2", "job"), ("crm", "crm", "crm_archive")),
    (("app",), ("shop",)),
)
APPLICATIONS = (
    ("psql", "", "pgbench"),
    ("my app", "psql"),
    ("PostgreSQL JDBC Driver",),
    ("web", "worker-3", "cron.d"),
    ("shop",),
)
CLIENTS = (("[local]", ""), ("10.0.0.3", "50123"), ("192.168.17.250", "40001"), ("::1", "5555"))


def _people(chance: random.Random) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    users, databases = chance.choice(PEOPLE)
    return users, databases, chance.choice(APPLICATIONS)


def _connect(
    writer: Writer,
    chance: random.Random,
    session: Process,
    at: datetime,
    user: str,
    database: str,
    application: str,
    *,
    connections: bool,
    named_applications: bool,
) -> None:
    session.host, session.port = chance.choice(CLIENTS)
    session.local = "10.0.0.1" if session.port else "[local]"
    if connections:
        port = f" port={session.port}" if session.port else ""
        writer.log(session, at, "LOG", f"connection received: host={session.host}{port}")
    session.slot = True
    session.user, session.database = user, database
    session.command = "authentication"
    if connections:
        named = f" application_name={application}" if application and named_applications else ""
        writer.log(session, at, "LOG", f"connection authorized: user={user} database={database}{named}")
    session.application = application


def _work(writer: Writer, chance: random.Random, session: Process, at: datetime) -> None:
    statement = chance.choice(STATEMENTS)
    session.command = statement.split()[0].upper()
    session.local_transaction += 1
    session.query_id = chance.choice((1, -1)) * chance.randrange(1 << 40, 1 << 62)
    session.transaction = chance.choice((0, 0, 0, 700 + session.local_transaction))
    turn = chance.random()
    if turn < 0.55:
        writer.log(
            session,
            at,
            "LOG",
            f"duration: {chance.randrange(99)}.{chance.randrange(1000):03d} ms  statement: {statement}",
        )
    elif turn < 0.75:
        text = f"duration: 0.5{chance.randrange(9)}1 ms  execute <unnamed>: select $1"
        writer.log(session, at, "LOG", text, detail="parameters: $1 = 'it''s', $2 = NULL")
    elif turn < 0.85:
        state, text = chance.choice(ERRORS)
        writer.log(session, at, "ERROR", text, state=state, statement=statement)
    elif turn < 0.92:
        writer.log(session, at, "LOG", PLAN)
    elif turn < 0.96:
        worker = Process(
            pid=session.pid + 1,
            start=at,
            kind="parallel worker",
            leader=session.pid,
            backend=session.backend + 20,
            query_id=session.query_id,
        )
        writer.log(worker, at, "LOG", 'temporary file: path "base/pgsql_tmp/t1.0", size 14000', statement=statement)
    else:
        text = f"process {session.pid} still waiting for ShareLock on transaction 7 after 1000.1 ms"
        writer.log(session, at, "LOG", text, detail="Process holding the lock: 3. Wait queue: 4.", statement=statement)


ERRORS = (
    ("42P01", 'relation "nothing" does not exist at character 15'),
    ("23505", 'duplicate key value violates unique constraint "orders_pkey"'),
    ("57014", "canceling statement due to user request"),
)


def heads(writer: Writer) -> Iterator[tuple[str, dict[str, str]]]:
    """Each distinct head with its fields."""
    seen = set()
    for head, fields in writer.truth:
        if head not in seen:
            seen.add(head)
            yield head, fields

"""The first barrier before a text from outside is planned or run on a sandbox.

The second and real one is the sandbox's unprivileged login: this one refuses early and says why.
"""

import re
from dataclasses import dataclass

from google.protobuf.message import Message

from advisor.errors import SqlError
from advisor.model.usage import StatementKind
from advisor.sql.parse import parse, strings, unwrap, walk

_KINDS: dict[str, StatementKind] = {
    "SelectStmt": "select",
    "InsertStmt": "insert",
    "UpdateStmt": "update",
    "DeleteStmt": "delete",
    "MergeStmt": "merge",
}

_DANGEROUS = re.compile(
    r"pg_(?:read_(?:binary_)?file|ls_|stat_file|file_|sleep|terminate_|cancel_|reload_|rotate_|promote|switch_|advisory_"
    r"|try_advisory|notify|logical_|create_|drop_|copy_|replication_|backup_|start_|stop_|wal_replay|import_|export_"
    r"|current_logfile|hba_file|ident_file|prewarm|autoprewarm|restore_|clear_|stat_(?:statements_)?reset|log_|nextoid"
    r"|extension_|sync_|set_|truncate_|surgery|buffercache_evict)"
    r"|lo_(?:import|export|create?|unlink|open|close|get|put|from_bytea|truncate(?:64)?|l?seek(?:64)?|tell(?:64)?)$"
    r"|lo(?:read|write)$|dblink|set_config$|setval$|(?:query|table|cursor|schema|database)_to_xml"
    r"|ts_stat$|ts_rewrite$|crosstab|connectby|xpath_table|binary_upgrade|plpgsql_|plpython|plperl|pltcl"
    r"|file_fdw|postgres_fdw|gin_clean|brin_|amcheck|bt_(?:index|page|meta|multi)|heap_(?:page|force)|get_raw_page|xslt_"
)
"""Functions that reach files, the network, other sessions or the server's state, that wait, or run a text as SQL.

Whole names where a prefix would also be a column's: such a name may stand behind a point, see `_called`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vetted:
    """The answer about a text.

    Attributes:
        allowed: it may be handed to a sandbox's unprivileged login.
        reason: why not, as a sentence; None where allowed.
        kind: of the statement, None where there is not exactly one.
        readonly: it changes no table and locks no rows, as far as its text shows.
    """

    allowed: bool
    reason: str | None = None
    kind: StatementKind | None = None
    readonly: bool = False


def vet_statement(sql: str) -> Vetted:
    """Whether a text is one plain query or write that may run on a sandbox; never raises.

    Allowed are SELECT, VALUES, TABLE, INSERT, UPDATE, DELETE and MERGE, also under WITH, without SELECT INTO and
    without functions that reach beyond the tables.
    """
    try:
        statements = parse(sql).stmts
    except SqlError as error:
        return _refused(error.what)
    if len(statements) != 1:
        return _refused("It is not exactly one statement.")
    statement = unwrap(statements[0].stmt)
    kind = _KINDS.get(statement.DESCRIPTOR.name)
    if kind is None:
        return _refused("It is a utility statement, not a query.", "utility")
    readonly = kind == "select"
    for message in walk(statement):
        name = message.DESCRIPTOR.name
        if reason := _objection(name, message):
            return _refused(reason, kind)
        if name == "LockingClause" or (name in _KINDS and name != "SelectStmt"):
            readonly = False
        if name == "FuncCall" and strings(message.funcname)[-1] in _WRITING_FUNCTIONS:
            readonly = False
    return Vetted(allowed=True, kind=kind, readonly=readonly)


_WRITING_FUNCTIONS = frozenset({"nextval"})


def _objection(name: str, message: Message) -> str | None:
    if name == "IntoClause":
        return "SELECT INTO creates a table."
    function = _called(name, message)
    if function is not None and _DANGEROUS.match(function):
        return f"It calls {function}(), which reaches beyond the tables or waits."
    if name == "RangeVar" and message.catalogname:
        return "It names a relation of another database."
    return None


def _called(name: str, message: Message) -> str | None:
    """The function that a node calls, or may call: `(1).f` and `t.f` are f(1) and f(t) where there is no such column.

    Source: `ParseFuncOrColumn` with no `fn`, src/backend/parser/parse_func.c.
    """
    if name == "FuncCall":
        return strings(message.funcname)[-1].lower()
    if name == "A_Indirection":
        return next((field.lower() for field in strings(message.indirection) if _DANGEROUS.match(field.lower())), None)
    if name == "ColumnRef" and len(message.fields) > 1:
        fields = strings(message.fields)
        return fields[-1].lower() if fields else None
    return None


def _refused(reason: str, kind: StatementKind | None = None) -> Vetted:
    return Vetted(allowed=False, reason=reason, kind=kind)

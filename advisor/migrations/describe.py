"""What the rules need of a migration statement's parse tree.

Node names are those of PostgreSQL's `src/include/nodes/parsenodes.h`. What a statement *does* comes from its traced
run (`migrations.trace`); this only says what was written, for messages and for the safe way to write it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from advisor.errors import SqlError
from advisor.sql.parse import strings, walk
from advisor.sql.tree import deparse_expression

_KIND_NAMES = {"Index": "CreateIndex", "Create": "CreateTable", "View": "CreateView", "CreateTableAs": "CreateTableAs"}
_DROP_NAMES = {
    pb.OBJECT_INDEX: "DropIndex",
    pb.OBJECT_TABLE: "DropTable",
    pb.OBJECT_VIEW: "DropView",
    pb.OBJECT_MATVIEW: "DropMaterializedView",
    pb.OBJECT_COLUMN: "DropColumn",
}
_ALTER_NAMES = {
    pb.OBJECT_INDEX: "AlterIndex",
    pb.OBJECT_VIEW: "AlterView",
    pb.OBJECT_SEQUENCE: "AlterSequence",
    pb.OBJECT_MATVIEW: "AlterMaterializedView",
}


def kind_of(tree: Message) -> str:
    """The statement's kind: the node's name without `Stmt` (`AlterTable`, `Update`, `Do`), with the everyday names
    `CreateIndex`, `CreateTable`, `CreateView`, `DropIndex`, `DropTable`, … where the node is called otherwise."""
    name = type(tree).__name__.removesuffix("Stmt")
    if isinstance(tree, pb.DropStmt):
        return _DROP_NAMES.get(tree.remove_type, "Drop")
    if isinstance(tree, pb.AlterTableStmt):
        return _ALTER_NAMES.get(tree.objtype, name)
    return _KIND_NAMES.get(name, name)


def describe(tree: Message) -> dict[str, Any]:
    """Facts about one statement's tree, by name; a fact that does not apply is missing.

    - `relation`: (schema or None, name) as written: the table altered, indexed or written
    - `index`: the new index's name or None; `columns`: its keys (None for an expression); `unique`, `method`
    - `concurrently`, `if_not_exists`, `if_exists`, `only`
    - `subcommands`: of ALTER TABLE, each a mapping with `kind` (PostgreSQL's name without `AT_`: `AlterColumnType`,
      `SetNotNull`, `AddConstraint`), `name`, and for constraints `constraint`, `columns`, `validated`
    - `foreign_keys`: (columns, referenced relation) of each foreign key in the statement
    - `checks`: of each CHECK constraint its `expression` and `columns`
    - `partition`: attached or detached
    - `objects`: names dropped, each a tuple of its parts
    - `transaction`: `begin`, `commit`, `rollback`, `savepoint` or `other` of a transaction statement
    """
    for node_type, read in _READERS.items():
        if isinstance(tree, node_type):
            return read(tree)
    relation = getattr(tree, "relation", None)
    return {"relation": _name(relation)} if isinstance(relation, pb.RangeVar) and relation.relname else {}


def _create_index(tree: pb.IndexStmt) -> dict[str, Any]:
    return {
        "relation": _name(tree.relation),
        "only": not tree.relation.inh,
        "index": tree.idxname or None,
        "columns": tuple(key.index_elem.name or None for key in tree.index_params),
        "unique": tree.unique,
        "method": tree.access_method,
        "concurrently": tree.concurrent,
        "if_not_exists": tree.if_not_exists,
    }


def _drop(tree: pb.DropStmt) -> dict[str, Any]:
    return {
        "objects": tuple(strings(item.list.items) for item in tree.objects if item.HasField("list")),
        "concurrently": tree.concurrent,
        "if_exists": tree.missing_ok,
    }


def _alter_table(tree: pb.AlterTableStmt) -> dict[str, Any]:
    relation = _name(tree.relation)
    commands = [item.alter_table_cmd for item in tree.cmds]
    constraints = [(command, found) for command in commands for found in _constraints(command)]
    return {
        "relation": relation,
        "if_exists": tree.missing_ok,
        "subcommands": tuple(_subcommand(command) for command in commands),
        "foreign_keys": tuple(
            _foreign_key(c, getattr(command, "def").column_def.colname)
            for command, c in constraints
            if _is_foreign_key(c)
        ),
        **_checks(found for _, found in constraints),
        **_partition(commands),
    }


def _checks(constraints: Iterable[pb.Constraint]) -> dict[str, Any]:
    found = [constraint for constraint in constraints if constraint.contype == pb.CONSTR_CHECK]
    checks = [{"expression": text, "columns": _columns(c.raw_expr)} for c in found if (text := _text(c.raw_expr))]
    return {"checks": tuple(checks)} if checks else {}


def _columns(expression: pb.Node) -> tuple[str, ...]:
    references = (node for node in walk(expression) if isinstance(node, pb.ColumnRef))
    return tuple(dict.fromkeys(strings(reference.fields)[-1] for reference in references if strings(reference.fields)))


def _text(expression: pb.Node) -> str | None:
    try:
        return deparse_expression(expression)
    except SqlError:
        return None


def _partition(commands: list[pb.AlterTableCmd]) -> dict[str, Any]:
    found = [getattr(c, "def").partition_cmd for c in commands if getattr(c, "def").HasField("partition_cmd")]
    return {"partition": _name(found[0].name), "concurrently": found[0].concurrent} if found else {}


def _subcommand(command: pb.AlterTableCmd) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": pb.AlterTableType.Name(command.subtype).removeprefix("AT_"), "name": command.name}
    definition = getattr(command, "def")
    if definition.HasField("constraint"):
        constraint = definition.constraint
        facts |= {
            "name": constraint.conname,
            "constraint": pb.ConstrType.Name(constraint.contype).removeprefix("CONSTR_").lower(),
            "columns": strings(constraint.fk_attrs) or strings(constraint.keys),
            "validated": not constraint.skip_validation,
        }
    if definition.HasField("column_def"):
        facts["column"] = definition.column_def.colname or command.name
    return facts


def _constraints(command: pb.AlterTableCmd) -> list[pb.Constraint]:
    definition = getattr(command, "def")
    inline = [item.constraint for item in definition.column_def.constraints]
    return [definition.constraint, *inline] if definition.HasField("constraint") else inline


def _create_table(tree: pb.CreateStmt) -> dict[str, Any]:
    keys = []
    for element in tree.table_elts:
        column = element.column_def
        keys += [
            _foreign_key(i.constraint, column.colname) for i in column.constraints if _is_foreign_key(i.constraint)
        ]
        if _is_foreign_key(element.constraint):
            keys.append(_foreign_key(element.constraint, ""))
    return {"relation": _name(tree.relation), "if_not_exists": tree.if_not_exists, "foreign_keys": tuple(keys)}


def _is_foreign_key(constraint: pb.Constraint) -> bool:
    return bool(constraint.contype == pb.CONSTR_FOREIGN)


def _foreign_key(constraint: pb.Constraint, column: str) -> tuple[tuple[str, ...], tuple[str | None, str]]:
    """(columns, referenced relation); an inline key's column is that of its column definition."""
    return strings(constraint.fk_attrs) or (column,), _name(constraint.pktable)


def _transaction(tree: pb.TransactionStmt) -> dict[str, Any]:
    kinds = {
        pb.TRANS_STMT_BEGIN: "begin",
        pb.TRANS_STMT_START: "begin",
        pb.TRANS_STMT_COMMIT: "commit",
        pb.TRANS_STMT_ROLLBACK: "rollback",
        pb.TRANS_STMT_SAVEPOINT: "savepoint",
    }
    return {"transaction": kinds.get(tree.kind, "other")}


def _reindex(tree: pb.ReindexStmt) -> dict[str, Any]:
    options = [item.def_elem.defname for item in tree.params]
    facts: dict[str, Any] = {"concurrently": "concurrently" in options}
    if tree.relation.relname:
        facts["objects" if tree.kind == pb.REINDEX_OBJECT_INDEX else "relation"] = (
            (tuple(part for part in _name(tree.relation) if part),)
            if tree.kind == pb.REINDEX_OBJECT_INDEX
            else _name(tree.relation)
        )
    return facts


def _vacuum(tree: pb.VacuumStmt) -> dict[str, Any]:
    relations = [item.vacuum_relation.relation for item in tree.rels]
    facts: dict[str, Any] = {"full": any(item.def_elem.defname == "full" for item in tree.options)}
    return facts | ({"relation": _name(relations[0])} if relations else {})


def _truncate(tree: pb.TruncateStmt) -> dict[str, Any]:
    return {"relation": _name(tree.relations[0].range_var)} if tree.relations else {}


def _name(relation: pb.RangeVar) -> tuple[str | None, str]:
    return relation.schemaname or None, relation.relname


_READERS = cast(
    "Mapping[type[Message], Callable[[Message], dict[str, Any]]]",
    {
        pb.IndexStmt: _create_index,
        pb.DropStmt: _drop,
        pb.AlterTableStmt: _alter_table,
        pb.CreateStmt: _create_table,
        pb.TransactionStmt: _transaction,
        pb.ReindexStmt: _reindex,
        pb.VacuumStmt: _vacuum,
        pb.TruncateStmt: _truncate,
    },
)

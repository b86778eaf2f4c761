"""A statement's parse tree without what does not tell queries apart: the bytes that an id is made of.

Follows the server's own `query_id` (`src/backend/nodes/queryjumblefuncs.c` and the `query_jumble_ignore` marks in
`primnodes.h` and `parsenodes.h`) as far as a text without its catalog shows it.

Not told apart, as on the server: the values of constants, blanks, comments, the case and needless quotes of names,
how many (two or more) constants or parameters stand in `IN (…)` and constants in `ARRAY[…]`, the values of SET, the
names of savepoints, two-phase transactions and deallocated statements, the arguments of EXECUTE and CALL.

Told apart, as on the server: one constant in a list from several; parameters from constants, and by their numbers;
the types that constants have before anything is known of their context (`number_type`, boolean, bit string; quoted
strings and NULL take their type from the context, so they are one); the names of types; numbers that stand for output
columns (`ORDER BY 1`); the constants of utility statements, the bodies of `DO` and functions included, but for those
of the queries in EXPLAIN, DECLARE and CREATE TABLE AS, which the server analyses.

Not told apart on purpose, although a server may do so:
- the number of rows of `VALUES` from two on, and repetitions of a row (its parameters count within it);
- the types of constants that are a whole cell of an INSERT's or MERGE's VALUES, or the whole right side of
  `SET column =`: rows with and without NULLs would be two queries for every column;
- the number of rows, of parameters and of casts by functions of the user's own in `IN` and `ARRAY`, the kinds of their
  elements in which order, and which parameters those are;
- what only servers before 18 count: the number of constants in `IN` and `ARRAY`, and (before 16, where the text of a
  utility statement is its id; in part before 18) the values and names of utility statements named above.
Where a list with parameters is folded, those outside of it count by their order, so that its length does not matter.

Told apart although some servers do not: aliases, schemas of a table's name, type modifiers, types of constants that
their context would settle (`b = 1` and `b = '1'`), ways to write one thing that the grammar keeps (`IN (1)`, `= 1`).
Not to be seen in a text: `search_path`, types of parameters, temporary tables, views, `transform_null_equals`.
"""

import re
from collections.abc import Collection
from typing import Literal

from advisor.sql.json_tree import STRING, direct_in_lists, elements, members, without_places

_QUERIES = frozenset({b"SelectStmt", b"InsertStmt", b"UpdateStmt", b"DeleteStmt", b"MergeStmt"})
_WITH_QUERIES = frozenset({b"ExplainStmt", b"DeclareCursorStmt", b"CreateTableAsStmt", b"CallStmt", b"ExecuteStmt"})
"""Utility statements whose constants belong to a query that the server analyses, or to a call."""

_STATEMENT = re.compile(rb'\{"stmt":\{"(\w+)":')

_CONSTANT = re.compile(
    rb'\{(?:"(?:ival|boolval)":\{[^{}"]*(?:"[a-z]+":[^{}"]*)?\}|"fval":\{"fval":"(?P<number>[^"]*)"\}'
    rb'|"(?:sval|bsval)":\{(?:"b?sval":' + STRING + rb')?\}|"isnull":true)(?:,"location":(?P<place>-?\d+))?\}\}'
)
"""What follows `{"A_Const":`."""

_MARKS = {b"iv": b"{i}", b"bo": b"{b}", b"sv": b"{u}", b"is": b"{u}", b"bs": b"{t}"}
_MARKS_BESIDE_NULL_TESTS = {**_MARKS, b"is": b"{0}"}
"""`IS DISTINCT FROM NULL` is another test than with a value."""
_NUMBER_MARKS = {"integer": b"{i}", "bigint": b"{I}", "numeric": b"{n}"}
_ANY_MARK = b"{*}"
_MARK = rb"\{[iInbut0]\}"

_PARAMETER = re.compile(rb'\{"ParamRef":\{(?:"number":(\d+))?\}\}')
_COUNTING = (b'"typmods":[', b'{"SortBy":{"node":')
"""What stands before a constant whose value counts."""
_POSITIONAL = re.compile(rb'"(?:groupClause|distinctClause|content)":\[')
_POSITIONAL_NAMES = (b'"groupClause":', b'"distinctClause":', b'"content":')
_ROW = b'{"RowExpr":{"args":['
_POSITION = re.compile(rb'[\[,]\{"A_Const":\{"ival"')


def _braced(inside: bytes) -> bytes:
    return rb'\{[^{}"]*+(?:(?:' + STRING + inside + rb')[^{}"]*+)*+\}'


_TYPE_NAME = _braced(rb"|" + _braced(rb"|" + _braced(b"")))
_ATOM = rb"(?:" + _MARK + rb'|\{"ParamRef":\{[^}]*\}\})'
_VALUE = rb'(?:\{"TypeCast":\{"arg":)*+' + _ATOM + rb'(?:,"typeName":' + _TYPE_NAME + rb"\}\})*+"
_ELEMENT = rb"(?:" + _VALUE + rb'|\{"RowExpr":\{"args":\[' + _VALUE + rb"(?:," + _VALUE + rb")*+\],[^{}\[\]]*\}\})"
_SEVERAL = rb"(" + _ELEMENT + rb"(?:," + _ELEMENT + rb")++)"
_IN_LIST = re.compile(rb'("rexpr":)\{"List":\{"items":\[' + _SEVERAL + rb'\]\}\}(?=,"rexpr_list_start")')
_ARRAY = re.compile(rb'("A_ArrayExpr":)\{"elements":\[' + _SEVERAL + rb'\](?=,"list_start")')
_ELEMENTS = re.compile(_ELEMENT)
_LIST_PLACES = re.compile(rb',?"(?:rexpr_)?list_(?:start|end)":-?\d+')

_VALUES = b'"valuesLists":['
_OF_INSERT = b'"selectStmt":{"SelectStmt":{'
_ROW_START = b'{"List":{"items":['
_CELL = re.compile(rb"(?<=[\[,])" + _MARK)
_ASSIGNING = re.compile(rb'"(?:UpdateStmt|onConflictClause|MergeWhenClause)":\{')
_ASSIGNERS = (b'"UpdateStmt":', b'"onConflictClause":', b'"MergeWhenClause":')
_ASSIGNED = re.compile(rb',"val":' + _MARK + rb"\}\}\Z")

_SET_ARGUMENTS = re.compile(rb'"args":\[.*\]', re.DOTALL)
_NAMES = re.compile(rb',?"(?:savepoint_name|gid|name)":' + STRING)

NumberType = Literal["integer", "bigint", "numeric"]


def number_type(number: str) -> NumberType:
    """The type that the server's `make_const` (`src/backend/parser/parse_node.c`) gives a number, its sign included.

    The one property of a literal that is part of an id where its value is not.
    """
    for base in (10, 0):
        try:
            value = int(number, base)
        except ValueError:
            continue
        if -(2**31) <= value < 2**31:
            return "integer"
        return "bigint" if -(2**63) <= value < 2**63 else "numeric"
    return "numeric"


def jumble(tree: bytes) -> tuple[bytes, list[int], list[str]]:
    """The bytes that tell a `json_tree` from those of other queries, and what was found on the way.

    Returns the bytes, the places (counted in UTF-8 bytes) of the constants whose values are not in them, and the
    kinds of the statements as `parsenodes.h` names them.
    """
    starts = list(_STATEMENT.finditer(tree, 0, 64 if tree.count(b'{"stmt":') == 1 else len(tree)))
    kinds = [match[1] for match in starts]
    places: list[int] = []
    if _QUERIES.issuperset(kinds):
        jumbled = _query(tree, places)
    else:
        ends = [match.start() for match in starts[1:]] + [len(tree)]
        parts = zip(kinds, starts, ends, strict=True)
        jumbled = b"".join(_statement(kind, tree[match.start() : end], places) for kind, match, end in parts)
    return jumbled, places, [kind.decode() for kind in kinds]


def _statement(kind: bytes, tree: bytes, places: list[int]) -> bytes:
    if kind in _QUERIES or kind in _WITH_QUERIES:
        return _query(tree, places)
    if kind == b"VariableSetStmt" and b'"jumble_args":true' not in tree:
        return _SET_ARGUMENTS.sub(b'"args":[]', without_places(_without_constants(tree, places)))
    tree = _LIST_PLACES.sub(b"", without_places(tree))
    return _NAMES.sub(b"", tree) if kind in (b"TransactionStmt", b"DeallocateStmt") else tree


def _query(tree: bytes, places: list[int]) -> bytes:
    tree = without_places(_without_constants(tree, places))
    listed: set[bytes] = set()
    if b'list_start":' in tree:

        def fold(match: re.Match[bytes]) -> bytes:
            kinds = {_without_number(element, listed) for element in _ELEMENTS.findall(match[2])}
            return match[1] + b'{"several":[' + b",".join(sorted(kinds)) + b"]}"

        tree = _LIST_PLACES.sub(b"", _ARRAY.sub(fold, _IN_LIST.sub(fold, tree)))
    if _VALUES in tree:
        tree = _fold_values(tree, listed)
    if any(name in tree for name in _ASSIGNERS):
        tree = _fold_assignments(tree)
    return _renumbered(tree, listed) if listed else tree


def _without_constants(tree: bytes, places: list[int]) -> bytes:
    """The tree with marks of their types in the place of its constants, but for those whose values count."""
    first, *rest = tree.split(b'{"A_Const":')
    if not rest:
        return tree
    marks = _MARKS_BESIDE_NULL_TESTS if b"_DISTINCT" in tree else _MARKS
    positions = _positions(tree)
    parts = [first]
    before, at, keeping = first, len(first), False
    for piece in rest:
        # Right behind a modifier that counts stands another modifier of the same type.
        keeping = before.endswith(_COUNTING) or (keeping and before == b",")
        match = _CONSTANT.match(piece)
        before = piece[match.end() :] if match else b""
        if match is None or keeping or at in positions:
            parts += (b'{"A_Const":', piece)
        else:
            number, place = match.groups()
            parts += (_NUMBER_MARKS[number_type(number.decode())] if number else marks[piece[2:4]], before)
            places.append(int(place or -1))
        at += len(piece) + 11
    return b"".join(parts)


def _positions(tree: bytes) -> Collection[int]:
    """Where the integers stand that are numbers of output columns, but for those of ORDER BY."""
    if not any(name in tree for name in _POSITIONAL_NAMES):
        return ()
    first = _POSITIONAL.search(tree)
    if first is None or _POSITION.search(tree, first.start()) is None:
        return ()
    return {at for at in direct_in_lists(tree, _POSITIONAL, _ROW) if tree.startswith(b'{"A_Const":{"ival"', at)}


def _without_number(element: bytes, listed: set[bytes]) -> bytes:
    if b'"ParamRef"' not in element:
        return element
    listed.update(_PARAMETER.findall(element))
    return _PARAMETER.sub(b"{$}", element)


def _fold_values(tree: bytes, listed: set[bytes]) -> bytes:
    """Each row once. From the last VALUES to the first, so that those which hold another one are seen to; they stay."""
    limit = len(tree)
    while (start := tree.rfind(_VALUES, 0, limit)) >= 0:
        begun = start + len(_VALUES)
        rows = elements(tree, begun, limit)
        limit = start
        if not rows:
            continue
        insert = tree.endswith(_OF_INSERT, 0, start)
        texts = list(dict.fromkeys(tree[begin:end] for begin, end in rows))
        if insert:
            texts = [_row_of_any(text) for text in texts]
        if len(rows) > 1:
            texts = [*dict.fromkeys(_ranked_row(text, listed) for text in texts), b"several"]
        tree = b"".join((tree[:begun], b",".join(texts), tree[rows[-1][1] :]))
    return tree


def _row_of_any(row: bytes) -> bytes:
    """A row of an INSERT's VALUES, whose constants are of any type: its columns decide."""
    if row.count(b"[") == 1:
        return _CELL.sub(_ANY_MARK, row)
    parts: list[bytes] = []
    end = 0
    for begin, after in elements(row, len(_ROW_START), len(row)) or ():
        cell = row[begin:after]
        parts += (row[end:begin], _ANY_MARK if len(cell) == 3 else cell)
        end = after
    return b"".join((*parts, row[end:]))


def _ranked_row(row: bytes, listed: set[bytes]) -> bytes:
    """A row with its parameters numbered within itself."""
    if b'"ParamRef"' not in row:
        return row
    numbers = set(_PARAMETER.findall(row))
    listed |= numbers
    return _ranked(row, numbers)


def _ranked(tree: bytes, numbers: set[bytes]) -> bytes:
    """The parameters of these numbers by their rank among them, all others without one."""
    ranks = {number: b"{$%d}" % rank for rank, number in enumerate(sorted(numbers, key=lambda n: int(n or 0)), 1)}
    return _PARAMETER.sub(lambda match: ranks.get(match[1] or b"", b"{$}"), tree)


def _renumbered(tree: bytes, listed: set[bytes]) -> bytes:
    """Parameters outside of folded lists by their rank, as their numbers depend on the length of the lists."""
    return _ranked(tree, set(_PARAMETER.findall(tree)) - listed)


def _fold_assignments(tree: bytes) -> bytes:
    """`SET column = constant` of UPDATE, ON CONFLICT and MERGE, and MERGE's VALUES, without the constant's type."""
    found = list(_ASSIGNING.finditer(tree))
    limits = [*(match.start() for match in found[1:]), len(tree)]
    cuts: list[tuple[int, int]] = []
    for match, limit in zip(found, limits, strict=True):
        for name, at in members(tree, match.end(), limit):
            if name in (b"targetList", b"values"):
                cuts += elements(tree, at + 1, limit) or ()
                if not match[0].startswith(b'"Merge'):
                    break
    parts: list[bytes] = []
    done = 0
    for begin, end in cuts:
        element = tree[begin:end]
        parts += (tree[done:begin], _ANY_MARK if len(element) == 3 else _ASSIGNED.sub(b',"val":{*}}}', element))
        done = end
    return b"".join((*parts, tree[done:]))

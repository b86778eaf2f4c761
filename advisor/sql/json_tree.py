"""libpg_query's parse tree as JSON text, and the few cuts that `jumble` makes in it.

The same tree as `parse`'s, several times faster to have: libpg_query writes the text in a sixth of the time of its
protobuf, and no object is made of it. Cuts in the text are exact because a quote within a JSON string is always
escaped: `"key":` cannot stand in a string, and only a list has a comma before a brace.
"""

import re
from collections.abc import Iterator

from postgast.errors import check_error
from postgast.native import lib

from advisor.sql.parse import guarded

STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
"""A JSON string."""

_STRING_OR_BRACKET = re.compile(STRING + rb"|[\[\]{}]")
_UP_TO_BRACKET = re.compile(rb'(?:[^\[\]{}"]|' + STRING + rb")*+([\[\]{}])")
_STATEMENT_PLACES = re.compile(rb',"stmt_(?:location|len)":-?\d+')
_FIRST_PLACE = re.compile(rb'\{"location":-?\d+,?')
_DIGITS = b"-0123456789"


def json_tree(sql: str) -> bytes:
    """The parse tree of a text as JSON: the list of its statements `{"stmt":…},…`, empty where there is none.

    Field names are those of `src/include/nodes/parsenodes.h`; zero, false, NULL and empty fields are left out.
    Raises SqlError as `parse` does.
    """
    tree = guarded(_parse, sql)
    start = tree.find(b'"stmts":[')
    return tree[start + 9 : -2] if start > 0 else b""


def _parse(sql: str) -> bytes:
    result = lib.pg_query_parse(sql.encode())
    try:
        check_error(result)
        tree: bytes = result.parse_tree
        return tree
    finally:
        lib.pg_query_free_parse_result(result)


def without_places(tree: bytes) -> bytes:
    """The tree without what says where in the text a node or a statement stood; the ends of lists stay."""
    first, *rest = tree.split(b',"location":')
    tree = b"".join([first, *[piece.lstrip(_DIGITS) for piece in rest]])
    if b'{"location":' in tree:
        tree = _FIRST_PLACE.sub(b"{", tree)
    if b'"stmt_l' in tree:
        tree = _STATEMENT_PLACES.sub(b"", tree)
    return tree


def elements(tree: bytes, start: int, limit: int) -> list[tuple[int, int]] | None:
    """Where the elements of a list stand that begins at `start`, behind its bracket; None where it has not ended
    before `limit`."""
    found = []
    depth = begun = 0
    for token in _UP_TO_BRACKET.finditer(tree, start, limit):
        if token[1] in b"[{":
            if not depth:
                begun = token.end() - 1
            depth += 1
        else:
            depth -= 1
            if not depth:
                found.append((begun, token.end()))
            elif depth < 0:
                return found
    return None


def members(tree: bytes, start: int, limit: int) -> Iterator[tuple[bytes, int]]:
    """The names of the members of an object that begins at `start`, behind its brace, with where their values begin."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(tree, start, limit):
        sign = token[0]
        if sign in b"[{":
            depth += 1
        elif sign in b"]}":
            depth -= 1
            if depth < 0:
                return
        elif not depth and tree[token.end() : token.end() + 1] == b":":
            yield sign[1:-1], token.end() + 1


def direct_in_lists(tree: bytes, lists: re.Pattern[bytes], inner: bytes) -> set[int]:
    """Where the objects stand that are elements of one of the `lists`, or of an `inner` list directly within it.

    `lists` matches up to a list's bracket, as do the bytes of `inner`. Linear in the tree's length.
    """
    found: set[int] = set()
    end = 0
    for begun in lists.finditer(tree):
        if begun.start() < end:
            continue
        stack = [True]
        for token in _UP_TO_BRACKET.finditer(tree, begun.end()):
            sign, end = token[1], token.end()
            if sign == b"[":
                row = stack[-1] and tree.endswith(inner, 0, end)
                stack.append(row or lists.fullmatch(tree, tree.rfind(b'"', 0, end - 3), end) is not None)
            elif sign == b"]":
                stack.pop()
                if not stack:
                    break
            elif sign == b"{" and stack[-1] and tree[end - 2 : end - 1] in (b"[", b","):
                found.add(end - 1)
    return found

"""The first line of a node in a text plan, as the JSON format's properties.

The grammar is that of `ExplainNode` in PostgreSQL's `src/backend/commands/explain.c`, 9.6 to 18.
"""

import re
from typing import Any

IDENTIFIER = r'(?:"(?:[^"]|"")*"|[^\s".]+)'
_COST = re.compile(
    r"\(cost=(?P<startup>[\d.]+|inf|nan)\.\.(?P<total>[\d.]+|inf|nan) rows=(?P<rows>\d+) width=(?P<width>\d+)\)"
)
_ACTUAL = re.compile(
    r"\(actual (?:time=(?P<startup>[\d.]+)\.\.(?P<total>[\d.]+) )?rows=(?P<rows>[\d.]+) loops=(?P<loops>\d+)\)"
)
_NUMBERS = re.compile(r"\s*\((?:cost=|actual |never executed)")
_HEAD = re.compile(r"(?P<name>[A-Z].*?)(?: using (?P<index>\"(?:[^\"]|\"\")*\"|\S+))?(?: on (?P<target>[^\s].*?))?\s*$")
_TARGET = re.compile(rf"(?:(?P<schema>{IDENTIFIER})\.)?(?P<name>{IDENTIFIER})(?:\s+(?P<alias>{IDENTIFIER}))?\s*$")
_JOIN = re.compile(r"(?P<node>Nested Loop|Hash|Merge)(?: (?P<type>(?:Right )?(?:Left|Right|Full|Semi|Anti)))? Join$")
_AGGREGATE = re.compile(r"(?:(?P<mode>Partial|Finalize) )?(?P<strategy>Hash|Group|Mixed|)Aggregate$")
_SET_OPERATION = re.compile(r"(?P<strategy>Hash|)SetOp(?: (?P<command>(?:Intersect|Except)(?: All)?))?$")
_INDEX_SCAN = re.compile(r"(?P<node>Index (?:Only )?Scan)(?P<backward> Backward)?$")
_CUSTOM_SCAN = re.compile(r"Custom Scan \((?P<provider>.+)\)$")
_OPERATION = re.compile(r"(?P<foreign>Foreign )?(?P<operation>Insert|Update|Delete|Merge)$")
_OLD_SUBQUERY_SCAN = re.compile(rf"Subquery Scan (?P<alias>{IDENTIFIER})$")
_STRATEGIES = {"": "Plain", "Group": "Sorted", "Hash": "Hashed", "Mixed": "Mixed"}

_NAMED_BY = {
    "CTE Scan": "CTE Name",
    "WorkTable Scan": "CTE Name",
    "Function Scan": "Function Name",
    "Table Function Scan": "Table Function Name",
    "Named Tuplestore Scan": "Tuplestore Name",
}
"""What the JSON format calls the name after `on`, where it is not a relation's."""

_ALIAS_ONLY = frozenset({"Subquery Scan", "Values Scan"})

NODE_NAME = re.compile(
    r"(?:Parallel |Async |Partial |Finalize |Foreign )*"
    r"(?:(?:Seq|Sample|Index|Index Only|Bitmap Heap|Bitmap Index|Tid|Tid Range|Function|Table Function|Values|CTE"
    r"|WorkTable|Named Tuplestore|Subquery|Foreign) Scan|Custom Scan \(|Nested Loop|(?:Hash|Merge)(?: \w+){0,2} Join"
    r"|(?:Group|Hash|Mixed)?Aggregate|(?:Hash)?SetOp|(?:Insert|Update|Delete|Merge) on |Result|ProjectSet|Append"
    r"|Merge Append|Recursive Union|BitmapAnd|BitmapOr|Gather|Gather Merge|Sort|Incremental Sort|Group|Unique|Limit"
    r"|LockRows|Materialize|Memoize|WindowAgg|Hash)(?=\s|$|\()"
)
"""The beginning of a node's line, for the first node, which has no arrow."""


def node_of(text: str) -> dict[str, Any] | None:
    """The JSON properties of a node's line without its arrow; None where it is not one."""
    split = _NUMBERS.search(text)
    head = _HEAD.match(text[: split.start()] if split else text)
    numbers = _numbers(text[split.start() :]) if split else {}
    if head is None or numbers is None:
        return None
    name = head["name"]
    properties: dict[str, Any] = {}
    for prefix, flag in (("Parallel ", "Parallel Aware"), ("Async ", "Async Capable")):
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            properties[flag] = True
    properties |= _named(name)
    if head["index"]:
        properties["Index Name"] = unquote(head["index"])
    if head["target"]:
        properties |= _target(head["target"], str(properties["Node Type"]))
    return properties | numbers


def target_of(text: str) -> dict[str, Any] | None:
    """The relation of an `Update on t` line below a ModifyTable node with several; None where it is not one."""
    head = _HEAD.match(text)
    if head is None or not head["target"] or not _OPERATION.match(head["name"]):
        return None
    return _target(head["target"], "ModifyTable")


def unquote(identifier: str) -> str:
    """An identifier as stored in the catalog."""
    if identifier.startswith('"'):
        return identifier[1:-1].replace('""', '"')
    return identifier


def _named(name: str) -> dict[str, Any]:
    if match := _JOIN.match(name):
        node = match["node"] if match["node"] == "Nested Loop" else f"{match['node']} Join"
        return {"Node Type": node, "Join Type": match["type"] or "Inner"}
    if name == "Nested Loop":
        return {"Node Type": name, "Join Type": "Inner"}
    if match := _AGGREGATE.match(name):
        strategy = _STRATEGIES[match["strategy"]]
        return {"Node Type": "Aggregate", "Strategy": strategy, "Partial Mode": match["mode"] or "Simple"}
    if match := _SET_OPERATION.match(name):
        strategy = "Hashed" if match["strategy"] else "Sorted"
        return {"Node Type": "SetOp", "Strategy": strategy, "Command": match["command"]}
    if match := _INDEX_SCAN.match(name):
        return {"Node Type": match["node"], "Scan Direction": "Backward" if match["backward"] else "Forward"}
    if match := _CUSTOM_SCAN.match(name):
        return {"Node Type": "Custom Scan", "Custom Plan Provider": match["provider"]}
    if match := _OPERATION.match(name):
        return {"Node Type": "Foreign Scan" if match["foreign"] else "ModifyTable", "Operation": match["operation"]}
    if match := _OLD_SUBQUERY_SCAN.match(name):
        return {"Node Type": "Subquery Scan", "Alias": unquote(match["alias"])}
    return {"Node Type": name, **({"Operation": "Select"} if name == "Foreign Scan" else {})}


def _target(text: str, node_type: str) -> dict[str, Any]:
    match = _TARGET.match(text)
    if node_type == "Bitmap Index Scan" or match is None:
        return {"Index Name" if node_type == "Bitmap Index Scan" else "Relation Name": unquote(text)}
    name = unquote(match["name"])
    alias = unquote(match["alias"]) if match["alias"] else name
    if node_type in _ALIAS_ONLY:
        return {"Alias": alias}
    properties = {_NAMED_BY.get(node_type, "Relation Name"): name, "Alias": alias}
    return properties | ({"Schema": unquote(match["schema"])} if match["schema"] else {})


def _numbers(text: str) -> dict[str, Any] | None:
    """Cost and actual figures; None where neither can be read. An unfinished second pair is left out."""
    numbers: dict[str, Any] = {}
    if cost := _COST.search(text):
        numbers |= {
            "Startup Cost": float(cost["startup"]),
            "Total Cost": float(cost["total"]),
            "Plan Rows": float(cost["rows"]),
            "Plan Width": int(cost["width"]),
        }
    if "(never executed" in text:
        return numbers | {"Actual Rows": 0.0, "Actual Loops": 0}
    if actual := _ACTUAL.search(text):
        numbers |= {"Actual Rows": float(actual["rows"]), "Actual Loops": int(actual["loops"])}
        if actual["startup"] is not None:
            numbers |= {
                "Actual Startup Time": float(actual["startup"]),
                "Actual Total Time": float(actual["total"]),
            }
    elif "(actual" in text:
        return None
    return numbers or None

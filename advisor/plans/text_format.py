"""The text format of EXPLAIN, 9.6 to 18, as documents in the JSON format's property names.

The grammar is that of `src/backend/commands/explain.c`. Depth is told by the column of the arrows. What the text
format does not print is filled in as the JSON format has it where it can be known, such as parent relationships.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from advisor.errors import InputError
from advisor.plans.frames import Line, unframe
from advisor.plans.node_line import node_of, target_of
from advisor.plans.properties import options_of, property_of, settings_of, split_list, timing_of
from advisor.plans.text_lines import ARROW, HEADER, PROPERTY, TARGET, Group, groups_of

Properties = dict[str, Any]

_MEMBERS = frozenset({"Append", "Merge Append", "BitmapAnd", "BitmapOr"})
_TRIGGER = re.compile(
    r"Trigger (?:(?P<name>.*?) ?)??(?:for constraint (?P<constraint>.+?))?(?: on (?P<relation>.+?))?$"
)
_TIMES = {
    "Planning Time": "Planning Time",
    "Planning time": "Planning Time",
    "Execution Time": "Execution Time",
    "Execution time": "Execution Time",
    "Total runtime": "Execution Time",
}
_JIT_READERS: Mapping[str, Callable[[str], Any]] = {"Functions": int, "Options": options_of, "Timing": timing_of}


@dataclass(slots=True)
class _Open:
    """A node that may still get children, or the header of an InitPlan, a SubPlan or a CTE."""

    column: int
    node: Properties | None
    relationship: str | None = None
    subplan_name: str | None = None


@dataclass(slots=True)
class _Draft:
    """A document in the making. `section` is where the properties of `Planning:` or `JIT:` go."""

    document: Properties
    open: list[_Open] = field(default_factory=list)
    node: Properties = field(default_factory=dict)
    worker: Properties | None = None
    worker_column: int = 0
    section: Properties | None = None


def read_text(text: str) -> Iterator[Properties]:
    """The documents of every plan in the text. InputError names the first line that is not understood."""
    for group in groups_of(unframe(text)):
        yield _document(group)


def _document(group: Group) -> Properties:
    draft = _Draft(document={})
    if group.query_text:
        draft.document["Query Text"] = "\n".join(group.query_text).strip()
    if group.query_parameters:
        draft.document["Query Parameters"] = group.query_parameters
    for line in group.lines:
        try:
            _read_line(draft, line)
        except (ValueError, OverflowError, KeyError) as error:
            raise _not_understood(line) from error
    for node in _nodes(draft.document["Plan"]):
        _finish_keys(node)
    return draft.document


def _not_understood(line: Line) -> InputError:
    return InputError(
        f"Line {line.number} of the plan is not understood: {line.text.strip()[:200]}",
        hint="Give the output of EXPLAIN as the server printed it; FORMAT JSON survives copying best.",
    )


def _read_line(draft: _Draft, line: Line) -> None:
    text = line.text
    if match := ARROW.match(text):
        _place(draft, match["node"], len(match["indent"]) if draft.open else -1, line)
    elif not draft.open:
        _place(draft, text.strip(), -1, line)
    elif match := HEADER.match(text):
        kind = "SubPlan" if match["kind"] == "SubPlan" else "InitPlan"
        column = len(match["indent"])
        _close(draft, column)
        draft.open.append(_Open(column, None, kind, match["name"]))
    elif TARGET.match(text):
        draft.node.setdefault("Target Tables", []).append(target_of(text.strip()))
    elif match := PROPERTY.match(text):
        _property(draft, len(match["indent"]), match["label"], (match["value"] or "").strip())
    elif not text.lstrip().startswith("("):
        raise _not_understood(line)


def _place(draft: _Draft, text: str, column: int, line: Line) -> None:
    node = node_of(text)
    if node is None:
        raise _not_understood(line)
    _close(draft, column)
    if not draft.open:
        if "Plan" in draft.document:
            raise _not_understood(line)
        draft.document["Plan"] = node
    else:
        owner = next(entry.node for entry in reversed(draft.open) if entry.node is not None)
        header = draft.open[-1]
        siblings = owner.setdefault("Plans", [])
        if header.node is None:
            node |= {"Parent Relationship": header.relationship, "Subplan Name": header.subplan_name}
        else:
            node["Parent Relationship"] = _relationship(owner, siblings)
        siblings.append(node)
    draft.open.append(_Open(column, node))
    draft.node, draft.worker, draft.section = node, None, None


def _close(draft: _Draft, column: int) -> None:
    """Closes what cannot be the parent of a line in that column. The root, in column -1, is the last to go."""
    while draft.open and draft.open[-1].column >= column:
        draft.open.pop()


def _relationship(owner: Properties, siblings: list[Properties]) -> str:
    if owner["Node Type"] in _MEMBERS:
        return "Member"
    if owner["Node Type"] == "Subquery Scan":
        return "Subquery"
    plain = [node for node in siblings if node["Parent Relationship"] in ("Outer", "Member")]
    if owner["Node Type"] == "ModifyTable" and plain:
        # Before 14, a ModifyTable had one member for each table.
        for node in plain:
            node["Parent Relationship"] = "Member"
        return "Member"
    return "Inner" if plain else "Outer"


def _property(draft: _Draft, column: int, label: str, value: str) -> None:
    if draft.worker is not None and column <= draft.worker_column:
        draft.worker = None
    if label.startswith("Worker ") and label[7:].isdigit():
        _worker(draft, column, int(label[7:]), value)
    elif label.startswith("JIT"):
        draft.section = (draft.worker if draft.worker is not None else draft.document).setdefault("JIT", {})
    elif label in _JIT_READERS and draft.section is not None:
        draft.section[label] = _JIT_READERS[label](value)
    elif not _plan_property(draft, label, value):
        target = next(t for t in (draft.worker, draft.section, draft.node) if t is not None)
        _set(target, draft.node["Node Type"], label, value)


def _plan_property(draft: _Draft, label: str, value: str) -> bool:
    """Whether the line belongs to the whole plan; if so, it is stored."""
    document = draft.document
    if label in _TIMES:
        document[_TIMES[label]] = float(value.removesuffix("ms"))
        draft.section = None
    elif label == "Planning":
        draft.section = document.setdefault("Planning", {})
    elif label == "Settings":
        document["Settings"] = settings_of(value)
    elif label == "Query Identifier":
        document[label] = int(value)
    elif label == "Serialization":
        document[label] = draft.section = _serialization(value)
    elif label.startswith("Trigger "):
        document.setdefault("Triggers", []).append(_trigger(label, value))
    else:
        return False
    return True


def _worker(draft: _Draft, column: int, number: int, value: str) -> None:
    workers = draft.node.setdefault("Workers", [])
    worker: Properties = next((w for w in workers if w["Worker Number"] == number), {"Worker Number": number})
    if worker not in workers:
        workers.append(worker)
    draft.worker, draft.worker_column, draft.section = worker, column, None
    if value.startswith("actual "):
        figures = node_of(f"Worker ({value})") or {}
        worker |= {key: figure for key, figure in figures.items() if key.startswith("Actual ")}
    elif match := PROPERTY.match(value):
        _set(worker, draft.node["Node Type"], match["label"], (match["value"] or "").strip())


def _set(target: Properties, node_type: str, label: str, value: str) -> None:
    if node_type == "Aggregate" and label in ("Group Key", "Hash Key", "Sort Key"):
        target.setdefault("Keys", []).append((label, value))
        return
    target |= property_of(label, value, node_type)


def _finish_keys(node: Properties) -> None:
    """The keys of an aggregate: one list, or grouping sets as the JSON format nests them."""
    keys: list[tuple[str, str]] = node.pop("Keys", [])
    if len(keys) == 1 and keys[0] != ("Group Key", "()") and keys[0][0] == "Group Key":
        node["Group Key"] = split_list(keys[0][1])
        return
    sets: list[Properties] = []
    for label, value in keys:
        items = [] if value == "()" else split_list(value)
        if label == "Sort Key":
            sets.append({"Sort Key": items})
        elif label == "Hash Key":
            sets.append({"Hash Keys": [items]})
        elif sets and "Hash Keys" not in sets[-1]:
            sets[-1].setdefault("Group Keys", []).append(items)
        else:
            sets.append({"Group Keys": [items]})
    if sets:
        node["Grouping Sets"] = sets


def _serialization(value: str) -> Properties:
    pairs = dict(re.findall(r"(\w+)=([\w.]+)", value))
    serialization: Properties = {"Output Volume": int(pairs["output"].removesuffix("kB")), "Format": pairs["format"]}
    return serialization | ({"Time": float(pairs["time"])} if "time" in pairs else {})


def _trigger(label: str, value: str) -> Properties:
    match = _TRIGGER.match(label)
    names = {"Trigger Name": "name", "Constraint Name": "constraint", "Relation": "relation"}
    trigger: Properties = {key: match[name] for key, name in names.items() if match and match[name]}
    pairs = dict(re.findall(r"(time|calls)=([\d.]+)", value))
    if "time" in pairs:
        trigger["Time"] = float(pairs["time"])
    return trigger | {"Calls": float(pairs["calls"])}


def _nodes(node: Properties) -> Iterator[Properties]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)

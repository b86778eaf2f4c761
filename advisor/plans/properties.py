"""Property lines of a text plan (`Sort Method: quicksort  Memory: 25kB`) as the JSON format's properties.

The labels and units on both sides are those of PostgreSQL's `src/backend/commands/explain.c`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Properties = dict[str, Any]

LISTS = frozenset({"Sort Key", "Presorted Key", "Group Key", "Output", "Conflict Arbiter Indexes", "Params Evaluated"})
"""Labels whose value is a list in the JSON format and separated by commas in the text format."""

_TEXTS = frozenset(
    {"Cache Key", "Cache Mode", "Filter", "Function Call", "Relations", "Remote SQL", "Table Function Call", "Window"}
)
_TEXT_ENDINGS = (" Cond", " Filter", "Order By")
"""Labels of expressions, which stay texts even where they are a number; any other lone number is one."""

_FLAGS = frozenset({"Disabled", "Inner Unique", "Single Copy"})
_PAIR = re.compile(r"([\w.]+)=([-\d.]+)")
_FIELD = re.compile(r" {2,}(?=[A-Z][\w -]*: )")
_SCOPE = re.compile(r"\b(shared/local|shared|local|temp)\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def property_of(label: str, value: str, node_type: str | None) -> Properties:
    """The JSON properties that one text line `label: value` of a node of that type stands for."""
    if label in LISTS:
        return {label: split_list(value)}
    if label in _FLAGS:
        return {label: value == "true"}
    reader = _READERS.get(label)
    if reader is not None:
        return reader(label, value, node_type)
    if label in _TEXTS or label.endswith(_TEXT_ENDINGS) or not _NUMBER.fullmatch(value):
        return {label: value}
    return {label: number(value)}


def number(text: str) -> int | float | str:
    """The first number in the text, an int where it has no fraction; the text itself where there is none."""
    match = _NUMBER.search(text)
    if match is None:
        return text
    return float(match[0]) if "." in match[0] else int(match[0])


def split_list(text: str) -> list[str]:
    """The items of a list separated by commas, leaving those within brackets and quotes alone."""
    items: list[str] = []
    depth, quote, start = 0, "", 0
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth <= 0:
            items.append(text[start:position].strip())
            start = position + 1
    items.append(text[start:].strip())
    return items


def settings_of(text: str) -> dict[str, str]:
    """`a = '1', b = 'x, y'` as a mapping, as the JSON format's `Settings`."""
    pairs = (item.partition(" = ") for item in split_list(text))
    return {name: value.strip().removeprefix("'").removesuffix("'") for name, _, value in pairs}


def _buffers(_label: str, value: str, _node_type: str | None) -> Properties:
    blocks: Properties = {}
    for part in value.split(","):
        scope = _SCOPE.search(part)
        if scope:
            blocks |= {f"{scope[0].title()} {name.title()} Blocks": int(n) for name, n in _PAIR.findall(part)}
    return blocks


def _io_timings(_label: str, value: str, _node_type: str | None) -> Properties:
    # 17 and later name the scope; 15 and 16 print "shared/local" for what JSON calls plainly "I/O Read Time".
    times: Properties = {}
    for part in value.split(","):
        scope = _SCOPE.search(part)
        prefix = "" if scope is None or scope[0] == "shared/local" else f"{scope[0].title()} "
        times |= {f"{prefix}I/O {name.title()} Time": float(ms) for name, ms in _PAIR.findall(part)}
    return times


def _wal(_label: str, value: str, _node_type: str | None) -> Properties:
    names = {"records": "WAL Records", "fpi": "WAL FPI", "bytes": "WAL Bytes", "full": "WAL Buffers Full"}
    return {names[name]: int(n) for name, n in _PAIR.findall(value) if name in names}


def _heap_blocks(_label: str, value: str, _node_type: str | None) -> Properties:
    return {f"{name.title()} Heap Blocks": int(n) for name, n in _PAIR.findall(value)}


def _tuples(_label: str, value: str, _node_type: str | None) -> Properties:
    return {f"Tuples {name.title()}": int(n) for name, n in _PAIR.findall(value)}


def _sort_method(label: str, value: str, _node_type: str | None) -> Properties:
    fields = _fields(label, value)
    properties: Properties = {label: fields.pop(label)}
    for space, size in fields.items():
        properties |= {"Sort Space Used": number(size), "Sort Space Type": space}
    return properties


def _sort_groups(label: str, value: str, _node_type: str | None) -> Properties:
    fields = _fields(label, value)
    methods = fields.get("Sort Methods") or fields.get("Sort Method") or ""
    group: Properties = {"Group Count": number(fields[label]), "Sort Methods Used": split_list(methods)}
    for space in ("Memory", "Disk"):
        sizes = {
            f"{kind} Sort Space Used": number(fields[f"{kind} {space}"])
            for kind in ("Average", "Peak")
            if f"{kind} {space}" in fields
        }
        if sizes:
            group[f"Sort Space {space}"] = sizes
    return {label: group}


def _hash_table(label: str, value: str, node_type: str | None) -> Properties:
    names = {"Buckets": "Hash Buckets", "Batches": "Hash Batches"} if node_type == "Hash" else {}
    names |= {"Memory Usage": "Peak Memory Usage"}
    if node_type == "Aggregate":
        names |= {"Batches": "HashAgg Batches"}
    properties: Properties = {}
    for field, text in _fields(label, value).items():
        name = names.get(field, field)
        properties[name] = number(text)
        original = re.search(r"originally (\d+)", text)
        if name.startswith("Hash "):
            properties[f"Original {name}"] = int(original[1]) if original else properties[name]
    return properties


def _cache(label: str, value: str, _node_type: str | None) -> Properties:
    fields = _fields(label, value)
    return {"Peak Memory Usage" if name == "Memory Usage" else f"Cache {name}": number(n) for name, n in fields.items()}


def _storage(label: str, value: str, _node_type: str | None) -> Properties:
    return {name: text if name == label else number(text) for name, text in _fields(label, value).items()}


def _sampling(_label: str, value: str, _node_type: str | None) -> Properties:
    match = re.match(r"(\S+) \((.*?)\)(?: REPEATABLE \((.*)\))?$", value)
    if match is None:
        return {"Sampling": value}
    properties: Properties = {"Sampling Method": match[1], "Sampling Parameters": split_list(match[2])}
    return properties | ({"Repeatable Seed": match[3]} if match[3] else {})


def _memory(_label: str, value: str, _node_type: str | None) -> Properties:
    pairs: Mapping[str, str] = dict(re.findall(r"(\w+)=(\d+)", value))
    return {f"Memory {name.title()}": int(size) for name, size in pairs.items()}


def _fields(label: str, value: str) -> dict[str, str]:
    """`Buckets: 1024  Batches: 1` as a mapping."""
    parts = _FIELD.split(f"{label}: {value}")
    pairs = (part.partition(": ") for part in parts)
    return {name.strip(): text.strip() for name, _, text in pairs}


_READERS: Mapping[str, Callable[[str, str, str | None], Properties]] = {
    "Batches": _hash_table,
    "Buckets": _hash_table,
    "Buffers": _buffers,
    "Full-sort Groups": _sort_groups,
    "Heap Blocks": _heap_blocks,
    "Hits": _cache,
    "I/O Timings": _io_timings,
    "Memory": _memory,
    "Planned Partitions": _hash_table,
    "Pre-sorted Groups": _sort_groups,
    "Sampling": _sampling,
    "Sort Method": _sort_method,
    "Storage": _storage,
    "Tuples": _tuples,
    "WAL": _wal,
}


def timing_of(text: str) -> Properties:
    """A `JIT` line `Timing: Generation 0.3 ms (Deform 0.1 ms), …, Total 2.4 ms` as the JSON format has it."""
    times: Properties = {}
    for item in split_list(text):
        match = re.match(r"(\w+) ([\d.]+) ms(?: \((\w+) ([\d.]+) ms\))?", item)
        if match and match[3]:
            times[match[1]] = {match[3]: float(match[4]), "Total": float(match[2])}
        elif match:
            times[match[1]] = float(match[2])
    return times


def options_of(text: str) -> Properties:
    """A `JIT` line `Options: Inlining false, …` as the JSON format has it."""
    pairs = (item.partition(" ") for item in split_list(text))
    return {name: value == "true" for name, _, value in pairs}

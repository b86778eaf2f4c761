"""Parsers of csv and json, doing nothing else, each in a process of its own: what a log reader can hope for.

python -m tests.bench.parsers NAME PATH THREADS [all]

Prints one JSON object: rows, CPU seconds of all threads, wall seconds, peak MiB. With `all` every field is handed
over, else those that a digest needs; exit code 3 where the parser is not installed. It needs nothing of the project,
so that it can run in an environment of its own.
"""

import csv
import json
import os
import re
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

JSON_FIELDS = (
    *("timestamp", "user", "dbname", "pid", "remote_host", "remote_port", "session_id", "line_num", "ps"),
    *("session_start", "vxid", "txid", "error_severity", "state_code", "message", "detail", "hint", "internal_query"),
    *("internal_position", "context", "statement", "cursor_position", "func_name", "file_name", "file_line_num"),
    *("application_name", "backend_type", "leader_pid", "query_id"),
)
"""Of jsonlog (`write_jsonlog`, src/backend/utils/error/jsonlog.c)."""

NUMBERS = {"pid", "remote_port", "line_num", "txid", "internal_position", "cursor_position", "file_line_num"}
NUMBERS |= {"leader_pid", "query_id"}

CSV_COLUMNS = 26
"""Of csvlog since PostgreSQL 14."""

NEEDED = ("timestamp", "user", "dbname", "pid", "session_id", "error_severity", "message", "detail", "application_name")
NEEDED_COLUMNS = (0, 1, 2, 3, 5, 11, 13, 14, 22)
"""The same in csvlog."""


def csv_reader(path: str, threads: int, whole: bool) -> int:
    """The standard library's; every field is a `str` whether wanted or not."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file))


def pyarrow_csv(path: str, threads: int, whole: bool) -> int:
    """Batch by batch, every column as text."""
    pyarrow, reader = import_module("pyarrow"), import_module("pyarrow.csv")
    pyarrow.set_cpu_count(threads)
    names = [f"c{number}" for number in range(CSV_COLUMNS)]
    convert = reader.ConvertOptions(
        column_types=dict.fromkeys(names, pyarrow.string()),
        include_columns=None if whole else [names[number] for number in NEEDED_COLUMNS],
    )
    batches = reader.open_csv(
        path,
        read_options=reader.ReadOptions(column_names=names, use_threads=threads > 1, block_size=4 << 20),
        parse_options=reader.ParseOptions(newlines_in_values=True),
        convert_options=convert,
    )
    return sum(batch.num_rows for batch in batches)


def polars_csv(path: str, threads: int, whole: bool) -> int:
    """Its lazy reader; the lengths are asked for, lest it skip the fields."""
    polars = import_module("polars")
    names = [f"c{number}" for number in range(CSV_COLUMNS)]
    wanted = names if whole else [names[number] for number in NEEDED_COLUMNS]
    frame = polars.scan_csv(path, has_header=False, schema=dict.fromkeys(names, polars.String))
    return _polars_rows(polars, frame, wanted)


def duckdb_csv(path: str, threads: int, whole: bool) -> int:
    """Without sniffing."""
    names = [f"c{number}" for number in range(CSV_COLUMNS)]
    wanted = names if whole else [names[number] for number in NEEDED_COLUMNS]
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    options = "auto_detect=false, header=false, delim=',', quote='\"', escape='\"', max_line_size=268435456"
    return _duckdb_rows(f"read_csv('{path}', columns={{{columns}}}, {options})", wanted, threads)


def duckdb_json(path: str, threads: int, whole: bool) -> int:
    """With the columns' types given."""
    wanted = JSON_FIELDS if whole else NEEDED
    columns = ", ".join(f"\"{name}\": '{'BIGINT' if name in NUMBERS else 'VARCHAR'}'" for name in wanted)
    source = f"read_json('{path}', format='newline_delimited', columns={{{columns}}}, maximum_object_size=268435456)"
    return _duckdb_rows(source, wanted, threads)


def orjson_lines(path: str, threads: int, whole: bool) -> int:
    """A dict per line, with every field whether wanted or not."""
    loads, count = import_module("orjson").loads, 0
    with Path(path).open("rb") as file:
        for line in file:
            loads(line)
            count += 1
    return count


def msgspec_lines(path: str, threads: int, whole: bool) -> int:
    """An object per line, of the fields wanted."""
    msgspec = import_module("msgspec")
    wanted = JSON_FIELDS if whole else NEEDED
    record = msgspec.defstruct("Record", [(name, int | str | None, None) for name in wanted], gc=False)
    decode = msgspec.json.Decoder(record).decode
    count = 0
    with Path(path).open("rb") as file:
        for line in file:
            decode(line)
            count += 1
    return count


def pyarrow_json(path: str, threads: int, whole: bool) -> int:
    """Batch by batch, the types given."""
    pyarrow, reader = import_module("pyarrow"), import_module("pyarrow.json")
    pyarrow.set_cpu_count(threads)
    wanted = JSON_FIELDS if whole else NEEDED
    kinds = {True: pyarrow.int64(), False: pyarrow.string()}
    schema = pyarrow.schema([(name, kinds[name in NUMBERS]) for name in wanted])
    batches = reader.open_json(
        path,
        read_options=reader.ReadOptions(use_threads=threads > 1, block_size=4 << 20),
        parse_options=reader.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    return sum(batch.num_rows for batch in batches)


def polars_json(path: str, threads: int, whole: bool) -> int:
    """Its lazy reader, the types given."""
    polars = import_module("polars")
    wanted = JSON_FIELDS if whole else NEEDED
    schema = {name: polars.Int64 if name in NUMBERS else polars.String for name in wanted}
    return _polars_rows(polars, polars.scan_ndjson(path, schema=schema, ignore_errors=True), wanted)


def _polars_rows(polars: Any, frame: Any, wanted: Any) -> int:
    sums = [polars.col(name).cast(polars.String).str.len_bytes().sum() for name in wanted]
    return int(frame.select(polars.len().alias("rows"), *sums).collect(engine="streaming")["rows"][0])


def _duckdb_rows(source: str, wanted: Any, threads: int) -> int:
    duckdb = import_module("duckdb")
    sums = ", ".join(f'sum(strlen("{name}"::VARCHAR))' for name in wanted)
    session = duckdb.connect(config={"threads": threads})
    row = session.execute(f"SELECT count(*), {sums} FROM {source}").fetchone()
    return int(row[0]) if row else 0


PARSERS: dict[str, dict[str, Callable[[str, int, bool], int]]] = {
    "csv": {"csv.reader": csv_reader, "pyarrow": pyarrow_csv, "polars": polars_csv, "duckdb": duckdb_csv},
    "json": {
        "orjson": orjson_lines,
        "msgspec": msgspec_lines,
        "pyarrow": pyarrow_json,
        "polars": polars_json,
        "duckdb": duckdb_json,
    },
}
"""By format and name."""

THREADED = {"pyarrow", "polars", "duckdb"}


def peak_mib() -> float | None:
    """Of this process alone: `ru_maxrss` would begin with what its parent had before the exec."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else None


def main() -> int:
    """Runs one parser over one file."""
    name, path, threads, *rest = sys.argv[1:]
    os.environ["POLARS_MAX_THREADS"] = threads
    parse = PARSERS[Path(path).suffix[1:]][name]
    if name != "csv.reader" and find_spec(name) is None:
        return 3
    cpu, wall = time.process_time(), time.perf_counter()
    rows = parse(path, int(threads), "all" in rest)
    spent = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    print(json.dumps({"rows": rows, **spent, "peak_mib": peak_mib()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The snapshot's file: what goes in comes out, the same bytes each time, and nothing that is wrong gets through."""

import hashlib
import json
import os
import stat
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from advisor.catalog import snapshot as file
from advisor.catalog.snapshot import age_warning, decode, encode, is_snapshot, new_file, read_snapshot
from advisor.errors import InputError, UsageError
from advisor.model.catalog import Catalog, Column, ColumnStatistics, Storage, Table
from advisor.model.names import QualifiedName
from advisor.model.snapshot import Snapshot
from tests.unit.catalog.snapshots import DAY_US, TAKEN_US, catalog_of, column, snapshot_of, snapshots, table

KEPT = snapshot_of(
    catalog_of(
        table("orders", column("id", "bigint", "int8"), column("status", statistics=ColumnStatistics(distinct=5))),
        table("users"),
    )
)


def altered(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The file with its content changed and a first line that fits."""
    line, _, body = encode(KEPT).partition(b"\n")
    content = json.loads(zlib.decompress(body, 31))
    change(content)
    return packed(json.loads(line), json.dumps(content).encode())


def packed(head: dict[str, Any], plain: bytes, **said: Any) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = stream.compress(plain) + stream.flush()
    head["body"] = {"bytes": len(plain), "sha256": hashlib.sha256(body).hexdigest(), **said}
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + body


def head() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode(KEPT).partition(b"\n")[0])
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(snapshots())
def test_what_goes_in_comes_out(snapshot: Snapshot) -> None:
    data = encode(snapshot)
    assert decode(data) == snapshot
    assert encode(decode(data)) == data


def test_the_order_of_reading_does_not_change_the_bytes() -> None:
    tables = dict(reversed(list(KEPT.catalog.tables.items())))
    catalog = replace(KEPT.catalog, tables=tables, settings={"work_mem": "4096", "jit": "on"})
    other = replace(KEPT.catalog, settings={"jit": "on", "work_mem": "4096"})
    assert encode(replace(KEPT, catalog=catalog)) == encode(replace(KEPT, catalog=other))


def test_the_first_line_is_for_people() -> None:
    said = head()
    assert said["format"] == "pg-query-advisor snapshot"
    assert (said["version"], said["database"], said["server_version"]) == (1, "shop", "15.4")
    assert (said["tables"], said["columns"], said["columns_with_statistics"]) == (2, 2, 1)
    assert said["taken_at"] == "2026-03-01T00:00:00.000Z"
    assert said["values"] == "default"
    assert "function bodies" in said["left_out"]


def cut(data: bytes) -> bytes:
    return data[:-20]


HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a snapshot"),
    "something else": (b"2026-01-01 LOG:  hello\n", "not a snapshot"),
    "only the magic": (file.MAGIC, "damaged"),
    "cut off": (cut(encode(KEPT)), "damaged"),
    "one bit": (encode(KEPT)[:-12] + bytes([encode(KEPT)[-12] ^ 1]) + encode(KEPT)[-11:], "damaged"),
    "head alone": (encode(KEPT).partition(b"\n")[0], "damaged"),
    "newer": (packed(head() | {"version": 2}, b"{}"), "newer advisor"),
    "version in words": (packed(head() | {"version": "one"}, b"{}"), "damaged"),
    "no body": (json.dumps(head() | {"body": None}, separators=(",", ":")).encode() + b"\n", "damaged"),
    "endless head": (file.MAGIC + b" " * 1_000_000, "damaged"),
    "deep head": (file.MAGIC + b',"version":1,"x":' + b"[" * 50_000 + b"\n", "damaged"),
    "not JSON": (packed(head(), b"\xff\xfe"), "damaged"),
    "another document": (packed(head(), b"[]"), "damaged"),
    "deep": (packed(head(), b'{"catalog":' + b'{"x":[' * 100_000), "damaged"),
    "more than it says": (packed(head(), b"{}" * 1000, bytes=10), "damaged"),
    "less than it says": (packed(head(), b"{}", bytes=10_000), "damaged"),
    "too large": (packed(head(), b"{}", bytes=2**40), "too large"),
    "negative": (packed(head(), b"{}", bytes=-1), "too large"),
    "a bomb": (packed(head(), b"0" * 50_000_000, bytes=1_000), "damaged"),
    "not gzip": (packed(head(), b"{}", sha256=hashlib.sha256(b"x").hexdigest()).split(b"\n")[0] + b"\nx", "damaged"),
    "missing field": (altered(lambda d: d["catalog"].pop("database")), "damaged"),
    "wrong type": (altered(lambda d: d["catalog"].update(tables="all")), "damaged"),
    "unknown mode": (altered(lambda d: d.update(values="some")), "damaged"),
    "a table twice": (altered(lambda d: d["catalog"]["tables"].append(d["catalog"]["tables"][0])), "damaged"),
    "rows": (altered(lambda d: d["catalog"]["tables"][0].update(rows=1e300)), "damaged"),
    "negative rows": (altered(lambda d: d["catalog"]["tables"][0].update(rows=-5)), "damaged"),
    "size": (altered(lambda d: d["catalog"]["tables"][0].update(size_bytes=2**63)), "damaged"),
    "huge number": (altered(lambda d: d["catalog"]["tables"][0].update(index_scans=10**4000)), "damaged"),
    "server version": (altered(lambda d: d["catalog"].update(server_version_num=0)), "damaged"),
    "moment": (altered(lambda d: d.update(taken_us=-1)), "damaged"),
    "moment of another age": (altered(lambda d: d.update(taken_us=10**18)), "damaged"),
    "key": (altered(lambda d: d.update(key="not hex")), "damaged"),
    "NUL in a name": (altered(lambda d: d["catalog"]["tables"][0]["name"].update(name="a\0b")), "damaged"),
    "long name": (altered(lambda d: d["catalog"]["tables"][0]["name"].update(name="a" * 10_000)), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_words(name: str, tmp_path: Path) -> None:
    data, expected = HOSTILE[name]
    path = tmp_path / "prod.snapshot"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_snapshot(path)
    assert expected in caught.value.what
    assert str(path) in caught.value.what
    assert caught.value.why
    assert caught.value.hint


def test_a_storage_no_server_has() -> None:
    big = Table(name=QualifiedName("public", "t"), kind="table", columns=(), storage=Storage(pages=2**40))
    with pytest.raises(InputError, match="pages"):
        decode(encode(snapshot_of(catalog_of(big))))


def test_a_database_of_more_than_a_pebibyte() -> None:
    largest = Storage(analysed_pages=2**32, analysed_rows=1e9, pages=2**32)
    tables = [
        Table(name=QualifiedName("public", f"t{number}"), kind="table", columns=(), storage=largest)
        for number in range(33)
    ]
    with pytest.raises(InputError, match="the size of all its tables"):
        decode(encode(snapshot_of(catalog_of(*tables))))
    assert len(decode(encode(snapshot_of(catalog_of(*tables[:32])))).catalog.tables) == 32


def test_a_share_beyond_all() -> None:
    odd = Column(name="a", type="int", base_type="int4", statistics=ColumnStatistics(null_fraction=7.0))
    with pytest.raises(InputError, match="statistics"):
        decode(encode(snapshot_of(catalog_of(table("t", odd)))))


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(InputError, match="not a snapshot"):
        read_snapshot("/dev/zero")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_snapshot(tmp_path / "nothing")
    with pytest.raises(InputError, match="cannot be read"):
        read_snapshot(tmp_path)
    assert not is_snapshot(str(tmp_path))
    assert not is_snapshot("-")


def test_it_is_for_its_owner_alone_and_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "prod.snapshot"
    path.write_bytes(b"old")
    path.chmod(0o644)
    with new_file(path) as out:
        out.write(encode(KEPT))
        assert path.read_bytes() == b"old"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_snapshot(path) == KEPT
    assert is_snapshot(str(path))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "prod.snapshot"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with new_file(path) as out:
            out.write(b"half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["nowhere/prod.snapshot", "."])
def test_a_place_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be written"), new_file(tmp_path / name):
        pytest.fail("the file was opened")


def test_a_full_disk() -> None:
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("no /dev/full here")
    with pytest.raises(UsageError, match="cannot be written"), new_file(Path("/dev/full")) as out:
        out.write(encode(KEPT))


def test_an_old_snapshot_is_warned_about() -> None:
    now_s = (TAKEN_US + 31 * DAY_US) / 1e6
    assert age_warning(KEPT, now_s) is not None
    assert "31 days" in (age_warning(KEPT, now_s) or "")
    assert age_warning(KEPT, (TAKEN_US + 29 * DAY_US) / 1e6) is None
    assert age_warning(KEPT, TAKEN_US / 1e6 - 1000) is None


def test_two_catalogs_are_told_apart() -> None:
    other = replace(KEPT, catalog=replace(KEPT.catalog, database="other"))
    assert encode(other) != encode(KEPT)
    assert isinstance(decode(encode(other)).catalog, Catalog)

"""A log is known again after it grew, was rotated, compressed or copied; another one is never taken for it."""

import bz2
import gzip
import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.sources import marks as module
from advisor.sources.compression import open_input
from advisor.sources.marks import (
    END_BYTES,
    Mark,
    counted_in_both,
    find_start,
    mark_of,
    match,
    renewed,
    restore,
    state,
    united,
)
from advisor.sources.tally import Tally

DATA = Path(__file__).parent / "data"
LOG = (DATA / "all-18.log").read_bytes()
OTHER = (DATA / "explain_json-18.log").read_bytes()
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lz4": lambda data: bytes(lz4.frame.compress(data)),
}


def written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def marked(path: str, consumed: int) -> Mark:
    mark = mark_of(path, consumed)
    assert mark is not None
    return mark


def rest(path: str, offset: int) -> bytes:
    with open_input(path, Tally(), start=offset) as opened:
        return b"".join(opened.blocks)


@pytest.mark.parametrize("consumed", [1, 100, END_BYTES - 1, END_BYTES, END_BYTES + 1, len(LOG)])
@pytest.mark.parametrize("kind", ["plain", *PACK])
def test_what_is_new_in_a_log_that_grew(tmp_path: Path, consumed: int, kind: str) -> None:
    def content(data: bytes) -> bytes:
        return data if kind == "plain" else PACK[kind](data)

    path = written(tmp_path / "pg", content(LOG))
    mark = marked(path, consumed)
    assert mark.head_bytes == min(consumed, END_BYTES)
    assert find_start(mark, path) == consumed
    assert rest(path, consumed) == LOG[consumed:]
    grown = written(tmp_path / "pg", content(LOG + OTHER))
    assert find_start(mark, grown) == consumed
    assert rest(grown, consumed) == (LOG + OTHER)[consumed:]


def test_rotation_finds_the_old_log_under_its_new_name(tmp_path: Path) -> None:
    path = written(tmp_path / "postgresql.log", LOG)
    mark = marked(path, 9000)
    (tmp_path / "postgresql.log").rename(tmp_path / "postgresql.log.1")
    written(tmp_path / "postgresql.log", OTHER)
    rotated, fresh = match([mark], [str(tmp_path / "postgresql.log.1"), path])
    assert (rotated.offset, rotated.mark) == (9000, mark)
    assert (fresh.offset, fresh.mark) == (0, None)


@pytest.mark.parametrize("kind", PACK)
def test_rotated_and_compressed_meanwhile(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path / "postgresql.log", LOG[:12_000])
    mark = marked(path, 12_000)
    packed = written(tmp_path / "archive", PACK[kind](LOG))
    (start,) = match([mark], [packed])
    assert (start.offset, start.mark) == (12_000, mark)
    assert rest(packed, start.offset) == LOG[12_000:]
    # And decompressed again.
    assert find_start(marked(packed, 15_000), written(tmp_path / "plain", LOG)) == 15_000


def test_copytruncate(tmp_path: Path) -> None:
    path = written(tmp_path / "postgresql.log", LOG[:10_000])
    mark = marked(path, 10_000)
    copy = written(tmp_path / "postgresql.log.1", LOG)
    for after in (b"", OTHER[:500], OTHER, OTHER + OTHER):
        written(tmp_path / "postgresql.log", after)
        old, new = match([mark], [copy, path])
        assert (old.offset, new.offset, new.mark) == (10_000, 0, None)


def test_equal_heads_and_other_tails(tmp_path: Path) -> None:
    head = LOG[:END_BYTES]
    path = written(tmp_path / "one", head + LOG)
    mark = marked(path, len(head + LOG))
    other = written(tmp_path / "other", head + OTHER + LOG + LOG)
    assert find_start(mark, other) is None
    assert find_start(mark, written(tmp_path / "shorter", head + LOG[:-1])) is None
    changed = head + LOG[:-1] + b"x" + LOG
    assert find_start(mark, written(tmp_path / "changed", changed)) is None
    assert find_start(mark, written(tmp_path / "packed", gzip.compress(changed))) is None
    second = marked(other, 8000)
    assert [start.mark for start in match([mark, second], [other, path])] == [second, mark]


@settings(max_examples=100, deadline=None)
@given(
    consumed=st.integers(1, len(LOG)),
    position=st.integers(0, len(LOG) - 1),
    packed=st.booleans(),
)
def test_a_changed_byte_at_either_end_is_another_file(
    tmp_path_factory: pytest.TempPathFactory, consumed: int, position: int, packed: bool
) -> None:
    folder = tmp_path_factory.mktemp("marks")
    mark = marked(written(folder / "log", LOG), consumed)
    changed = LOG[:position] + bytes((LOG[position] ^ 1,)) + LOG[position + 1 :]
    path = written(folder / "changed", gzip.compress(changed) if packed else changed)
    looked_at = position < min(END_BYTES, consumed) or consumed - END_BYTES <= position < consumed
    assert find_start(mark, path) == (None if looked_at else consumed)


def test_the_mark_that_covers_most_decides(tmp_path: Path) -> None:
    path = written(tmp_path / "log", LOG)
    each = [marked(path, consumed) for consumed in (10, 2000, 5000, 16_000, 9000)]
    (start,) = match(each, [path])
    assert start.offset == 16_000
    (start,) = match(each[:2], [path])
    assert start.offset == 2000


def test_a_copy_of_what_is_counted_is_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "log", LOG)
    shutil.copy(path, tmp_path / "copy")
    starts = match([marked(path, len(LOG))], [str(tmp_path / "copy"), path])
    assert [start.offset for start in starts] == [len(LOG), len(LOG)]


def test_an_unchanged_compressed_file_is_not_decompressed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "log.gz", gzip.compress(LOG))
    mark = marked(path, len(LOG))
    monkeypatch.setattr(module, "_ends", None)
    assert find_start(mark, path) == len(LOG)


def test_what_cannot_be_remembered(tmp_path: Path) -> None:
    path = written(tmp_path / "log", LOG)
    assert mark_of(path, 0) is None
    assert mark_of(path, len(LOG) + 1) is None
    assert mark_of("-", 10) is None
    assert mark_of(str(tmp_path / "missing"), 10) is None
    os.mkfifo(tmp_path / "pipe")
    mark = marked(path, 10)
    unreadable = [str(tmp_path / "pipe"), "-", str(tmp_path), str(tmp_path / "missing"), "a\0b"]
    assert [find_start(mark, name) for name in unreadable] == [None] * 5
    assert [start.offset for start in match([mark], unreadable)] == [0] * 5


def test_a_damaged_archive_is_no_continuation(tmp_path: Path) -> None:
    mark = marked(written(tmp_path / "log", LOG), 15_000)
    assert find_start(mark, written(tmp_path / "cut", gzip.compress(LOG)[:-1500])) is None
    assert find_start(mark, written(tmp_path / "twice", gzip.compress(gzip.compress(LOG)))) is None


def test_a_run_replaces_the_marks_it_went_on_from(tmp_path: Path) -> None:
    path = written(tmp_path / "log", LOG)
    first, elsewhere = marked(path, 5000), marked(written(tmp_path / "other", OTHER), 5000)
    starts = match([first, elsewhere], [path, "-"])
    last = marked(path, len(LOG))
    assert set(renewed([first, elsewhere], starts, [last, None])) == {elsewhere, last}
    assert set(renewed([first, elsewhere], starts, [None, None])) == {first, elsewhere}


def test_union_is_commutative_associative_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MARKS", 3)

    def made(number: int) -> Mark:
        until = number * 10 if number % 2 else None
        return Mark(name=f"log{number}", consumed_bytes=1, head_bytes=1, head_hash=b"h", tail_hash=b"t", until_us=until)

    a, b, c = [made(1), made(2), made(9)], [made(3), made(9)], [made(5), made(4)]
    whole = united(a, b, c)
    assert [mark.name for mark in whole] == ["log9", "log5", "log3"]
    assert united(united(c, a), b) == united(a, united(b, c)) == whole


def test_state_survives_a_file(tmp_path: Path) -> None:
    plain = marked(written(tmp_path / "log", LOG), 5000)
    packed = mark_of(written(tmp_path / "log.gz", gzip.compress(LOG)), 5000, until_us=1_795_216_200_000_000)
    odd = marked(written(tmp_path / os.fsdecode(b"\xff.log"), LOG), 10)
    assert packed is not None
    assert packed.packed is not None
    saved = msgspec.msgpack.decode(msgspec.msgpack.encode(state([plain, packed, odd])))
    assert set(restore(saved)) == {plain, packed, odd}


def test_two_digests_of_the_same_log(tmp_path: Path) -> None:
    path = written(tmp_path / "log", LOG)
    packed = written(tmp_path / "log.gz", gzip.compress(LOG))
    other = marked(written(tmp_path / "other", OTHER), len(OTHER))
    assert counted_in_both([marked(path, 5000), other], [marked(packed, len(LOG))]) == (packed,)
    assert counted_in_both([other], [marked(packed, len(LOG))]) == ()

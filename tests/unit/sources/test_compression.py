"""Every compression in every state gives the bytes that went in, or what can be had of them and a warning."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import lz4.frame
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.errors import InputError
from advisor.sources.compression import head_of, open_input, open_range
from advisor.sources.decompress import BLOCK_BYTES, decompressed, kind_of
from advisor.sources.tally import Tally

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA = Path(__file__).parent / "data"
LOG = (DATA / "all-18.log").read_bytes()
SKIPPABLE = struct.pack("<II", 0x184D2A53, 7) + b"skipped"

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zstd": lambda data: zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1}),
    "lz4": lambda data: bytes(lz4.frame.compress(data, content_checksum=True)),
}
KINDS = sorted(PACK)
PROGRAMS = {
    "gzip": ["gzip", "-9c"],
    "bzip2": ["bzip2", "-c"],
    "xz": ["xz", "-9c", "-T1"],
    "lzma": ["xz", "--format=lzma", "-c"],
    "zstd": ["zstd", "-19", "-c", "-q"],
    "lz4": ["lz4", "-c", "-q"],
}


@cache
def packed_many(kind: str) -> bytes:
    """The log a hundred times, more than a block."""
    return LOG * 100 if kind == "plain" else PACK[kind](LOG * 100)


def written(folder: Path, data: bytes, name: str = "input") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def read(name: str, start: int = 0) -> tuple[bytes, Tally, str | None]:
    tally = Tally()
    with open_input(name, tally, start=start) as opened:
        return b"".join(opened.blocks), tally, opened.compression


def unpacked(kind: str, data: bytes, step: int = 1 << 20) -> tuple[bytes, list[str]]:
    tally = Tally()
    raw = (data[start : start + step] for start in range(0, len(data), step))
    return b"".join(decompressed(raw, kind, "input", tally)), tally.warnings


@pytest.mark.parametrize("sample", sorted(path.name for path in DATA.glob("*-1*")))
@pytest.mark.parametrize("kind", KINDS)
def test_every_sample_in_every_compression(tmp_path: Path, kind: str, sample: str) -> None:
    whole = (DATA / sample).read_bytes()
    name = written(tmp_path, PACK[kind](whole), "no_suffix_says_what_it_is")
    data, tally, compression = read(name)
    assert data == whole
    assert tally.warnings == []
    assert compression == kind


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_programs_write(tmp_path: Path, kind: str) -> None:
    program = PROGRAMS[kind]
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    made = subprocess.run(program, input=LOG * 70, capture_output=True, check=True).stdout
    data, tally, compression = read(written(tmp_path, made))
    assert data == LOG * 70
    assert (tally.warnings, compression) == ([], kind)


def test_plain_files_and_their_ranges(tmp_path: Path) -> None:
    name = written(tmp_path, LOG * 100)
    tally = Tally()
    with open_input(name, tally) as opened:
        assert (opened.compression, opened.is_plain_file, opened.size) == (None, True, len(LOG) * 100)
        blocks = list(opened.blocks)
        assert opened.position() == opened.size
    assert b"".join(blocks) == LOG * 100
    assert max(map(len, blocks)) <= BLOCK_BYTES
    assert b"".join(open_range(name, 5, 1_500_005)) == (LOG * 100)[5:1_500_005]
    assert b"".join(open_range(name, 5, 5)) == b""
    assert b"".join(open_range(name, len(LOG) * 100 - 3, len(LOG) * 200)) == LOG[-3:]


def test_what_is_packed_or_piped_has_no_ranges(tmp_path: Path) -> None:
    with open_input(written(tmp_path, gzip.compress(LOG)), Tally()) as opened:
        assert not opened.is_plain_file
    read_end, write_end = os.pipe()
    os.write(write_end, LOG[:1000])
    os.close(write_end)
    with open_input(f"/dev/fd/{read_end}", Tally()) as opened:
        assert (opened.is_plain_file, opened.size, opened.position()) == (False, 0, 0)
        assert b"".join(opened.blocks) == LOG[:1000]
    os.close(read_end)


@pytest.mark.parametrize("kind", ["plain", *KINDS])
@pytest.mark.parametrize("start", [0, 1, len(LOG), len(LOG) * 99 + 7, len(LOG) * 100])
def test_a_beginning_is_left_out(tmp_path: Path, kind: str, start: int) -> None:
    assert read(written(tmp_path, packed_many(kind)), start)[0] == (LOG * 100)[start:]


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(set(KINDS) - {"lzma"})),
    cuts=st.lists(st.integers(0, len(LOG)), max_size=5),
    zeros=st.integers(0, 40),
    step=st.integers(1, 5000),
)
def test_any_concatenation_of_members(kind: str, cuts: list[int], zeros: int, step: int) -> None:
    bounds = [0, *sorted(cuts), len(LOG)]
    members = [PACK[kind](LOG[start:end]) for start, end in pairwise(bounds)]
    assert unpacked(kind, b"".join(members) + b"\0" * zeros, step) == (LOG, [])


@settings(max_examples=100, deadline=None)
@given(kind=st.sampled_from(KINDS), data=st.data(), step=st.integers(1, 50_000))
def test_any_truncation_gives_a_beginning_and_a_warning(kind: str, data: Any, step: int) -> None:
    second = PACK[kind](LOG[1000:])
    first = PACK[kind](LOG[:1000]) if kind != "lzma" else b""
    expected = LOG if first else LOG[1000:]
    cut = data.draw(st.integers(len(first) + 20, len(first + second) - 1))
    got, warnings = unpacked(kind, (first + second)[:cut], step)
    assert expected.startswith(got)
    assert len(got) >= (1000 if first else 0)
    # Of a stream without a check at its end the last byte may be dispensable.
    assert warnings == ["input: the " + kind + " data is truncated; what is there was read."] or (
        kind == "lzma" and got == expected
    )


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(KINDS), data=st.data())
def test_any_damage_is_survived(kind: str, data: Any) -> None:
    whole = PACK[kind](LOG)
    position = data.draw(st.integers(20, len(whole) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[position]))
    damaged = whole[:position] + bytes((value,)) + whole[position + 1 :]
    try:
        got, warnings = unpacked(kind, damaged, 4096)
    except InputError:
        # The damage made a header ask for too much memory.
        return
    # lzma has no checks: that it is damaged may not show.
    assert warnings or kind == "lzma" or got == LOG


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(sorted(set(KINDS) - {"lzma"})), garbage=st.binary(min_size=1, max_size=300))
def test_what_follows_the_end_is_left_out(kind: str, garbage: bytes) -> None:
    got, warnings = unpacked(kind, PACK[kind](LOG) + b"x" + garbage, 4096)
    assert got == LOG
    assert warnings == [f"input: bytes after the end of the {kind} data were left out."]


def test_skippable_frames() -> None:
    for kind in ("zstd", "lz4"):
        packed = SKIPPABLE + PACK[kind](LOG[:500]) + SKIPPABLE + PACK[kind](LOG[500:]) + SKIPPABLE
        assert kind_of(packed) == kind
        for step in (1, 13, 1 << 20):
            assert unpacked(kind, packed, step) == (LOG, [])


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_comes_in_small_blocks(tmp_path: Path, kind: str) -> None:
    size = 40 << 20
    name = written(tmp_path, PACK[kind](bytes(size)))
    process = psutil.Process()
    before = process.memory_info().rss
    seen = largest = grown = 0
    with open_input(name, Tally()) as opened:
        for block in opened.blocks:
            seen += len(block)
            largest = max(largest, len(block))
            grown = max(grown, process.memory_info().rss - before)
    assert seen == size
    assert largest <= BLOCK_BYTES
    assert grown < 32 << 20


def test_a_header_that_asks_for_all_memory(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 512 << 20}]
    greedy = lzma.LZMACompressor(filters=filters)
    head = greedy.compress(b"x") + greedy.flush()
    with pytest.raises(InputError, match=r"cannot be decompressed in \d+ MiB") as caught:
        read(written(tmp_path, head))
    assert "xz -dc" in caught.value.hint
    window = {zstd.CompressionParameter.window_log: 30}
    long = zstd.ZstdCompressor(options={int(key): value for key, value in window.items()})
    with pytest.raises(InputError, match="MiB"):
        read(written(tmp_path, long.compress(b"x" * 1000) + long.flush()))


@pytest.mark.parametrize("outer", KINDS)
@pytest.mark.parametrize("inner", KINDS)
def test_compressed_twice_is_refused(tmp_path: Path, outer: str, inner: str) -> None:
    name = written(tmp_path, PACK[outer](PACK[inner](LOG)))
    with pytest.raises(InputError, match=f"compressed twice: {inner} inside {outer}"):
        read(name)


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        entry = tarfile.TarInfo("postgresql.log")
        entry.size = len(LOG)
        made.addfile(entry, io.BytesIO(LOG))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["plain", *KINDS])
def test_tar_is_refused(tmp_path: Path, kind: str) -> None:
    name = written(tmp_path, archive() if kind == "plain" else PACK[kind](archive()))
    inside = "" if kind == "plain" else f" inside {kind}"
    with pytest.raises(InputError) as caught:
        read(name)
    assert caught.value.what == f"{name} is a tar archive{inside}."
    assert caught.value.hint.endswith(f"tar -xOf {name} | advisor analyze -")


@pytest.mark.parametrize(
    ("magic", "what"), [(b"PK\x03\x04", "zip"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"\x02\x21\x4c\x18", "lz4")]
)
def test_other_formats_are_refused(tmp_path: Path, magic: bytes, what: str) -> None:
    with pytest.raises(InputError, match=what):
        read(written(tmp_path, magic + LOG))


@pytest.mark.parametrize(
    "head", [b"\0" * 600, b"]\0\0 text", b"BZh9 is a word", b"\x1f\x8b", b"BZ", b"x" * 257 + b"ustar is a word\n", b""]
)
def test_look_alikes_are_plain(tmp_path: Path, head: bytes) -> None:
    data, tally, compression = read(written(tmp_path, head + LOG if len(head) > 2 else head))
    assert compression is None
    assert data == (head + LOG if len(head) > 2 else head)
    assert tally.warnings == []


def test_growing_and_shrinking_while_it_is_read(tmp_path: Path) -> None:
    name = written(tmp_path, LOG * 200)
    with open_input(name, Tally()) as opened:
        got = next(opened.blocks)
        with Path(name).open("ab") as stream:
            stream.write(LOG)
        got += b"".join(opened.blocks)
    assert got == LOG * 200
    tally = Tally()
    with open_input(name, tally) as opened:
        first = next(opened.blocks)
        os.truncate(name, len(first) + 10)
        assert len(b"".join(opened.blocks)) == 10
    assert tally.warnings == [
        f"{name} was cut off while it was read: {len(LOG) * 201 - len(first) - 10} bytes are missing."
    ]


def test_a_pipe_that_is_written_byte_by_byte(tmp_path: Path) -> None:
    name = tmp_path / "pipe"
    os.mkfifo(name)
    packed = gzip.compress(LOG)

    def write() -> None:
        with name.open("wb", buffering=0) as stream:
            for start in range(40):
                stream.write(packed[start : start + 1])
            stream.write(packed[40:])

    writer = threading.Thread(target=write)
    writer.start()
    data, tally, compression = read(str(name))
    writer.join()
    assert (data, tally.warnings, compression) == (LOG, [], "gzip")


@pytest.mark.parametrize("given", ["-", "/dev/stdin", "/dev/fd/0"])
def test_standard_input(given: str) -> None:
    program = (
        "import sys; from advisor.sources.compression import open_input; from advisor.sources.tally import Tally\n"
        "with open_input(sys.argv[1], Tally()) as opened: sys.stdout.buffer.write(b''.join(opened.blocks))"
    )
    made = subprocess.run([sys.executable, "-c", program, given], input=zstd.compress(LOG), stdout=-1, check=True)
    assert made.stdout == LOG


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match="broken link") as caught:
        read(str(tmp_path / "link"))
    assert str(tmp_path / "gone") in caught.value.why
    with pytest.raises(InputError, match="does not exist"):
        read(str(tmp_path / "missing"))
    with pytest.raises(InputError, match="is a folder"):
        read(str(tmp_path))
    with pytest.raises(InputError, match="not the name of a file"):
        read("a\0b")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)
        server.bind("s")
        with pytest.raises(InputError, match="is a socket"):
            read("s")
    assert read("/dev/null")[0] == b""


def test_a_head_is_decompressed(tmp_path: Path) -> None:
    for kind in KINDS:
        name = written(tmp_path, packed_many(kind))
        assert head_of(name, 1_500_000) == (LOG * 100)[:1_500_000]
        assert head_of(name, 10) == LOG[:10]
    assert head_of(written(tmp_path, LOG), 1 << 20) == LOG


def test_zlib_gives_all_that_came_before_the_damage() -> None:
    noise = os.urandom(200_000)
    packed = gzip.compress(noise)
    damaged = packed[:150_000] + b"\xff" * 10 + packed[150_010:]
    got, warnings = unpacked("gzip", damaged)
    assert len(got) >= 100_000
    assert noise.startswith(got[:100_000])
    assert len(warnings) == 1

"""Logs that try a reader's memory: ten times the size, a million different texts, one statement of 200 MB."""

import random
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

TEXTS = 1_000_000
STATEMENT_BYTES = 200_000_000
TIMES = (1, 10, 30)

_HEAD = (
    "2026-11-21 18:{minute:02d}:{second:02d}.{millisecond:03d} UTC [{pid}] app@shop/web "
    "LOG:  duration: 0.{millisecond:03d} ms  statement: "
)


START_LINES = 2000
"""Of the real log, with its many sorts of lines: the prefix cannot be inferred from lines that are all alike."""


def inputs(source: Path, folder: Path) -> Iterator[Path]:
    """Each file in its turn; it is removed when the next one is asked for."""
    for times in TIMES:
        with _made(folder / f"{source.stem}_{times}_times.log") as path:
            with path.open("wb") as target:
                for _ in range(times):
                    with source.open("rb") as file:
                        shutil.copyfileobj(file, target, 1 << 20)
            yield path
    with _made(folder / "million_texts.log") as path:
        write_texts(source, path)
        yield path
    for name, between in (("one_line", " "), ("many_lines", "\n\t")):
        with _made(folder / f"large_statement_{name}.log") as path:
            write_large_statement(source, path, between)
            yield path


@contextmanager
def _made(path: Path) -> Iterator[Path]:
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _head(number: int) -> str:
    seconds, millisecond = divmod(number, 1000)
    minute, second = divmod(seconds, 60)
    return _HEAD.format(minute=minute % 60, second=second, millisecond=millisecond, pid=4000 + number % 40)


def write_texts(source: Path, path: Path) -> None:
    """No two statements are the same, not even without their digits; all are of one shape."""
    rng = random.Random(4)
    with source.open() as start, path.open("w") as file:
        file.writelines(islice(start, START_LINES))
        for number in range(TEXTS):
            key = uuid.UUID(int=rng.getrandbits(128), version=4)
            file.write(f"{_head(number)}SELECT id, note FROM orders WHERE token = '{key}' AND note <> 'x'\n")


def write_large_statement(source: Path, path: Path, between: str) -> None:
    """An INSERT of millions of rows between ordinary statements, its rows on one line or on a line each."""
    with source.open() as start, path.open("w") as file:
        file.writelines(islice(start, START_LINES))
        for number in range(1000):
            file.write(f"{_head(number)}SELECT id FROM orders WHERE id = {number}\n")
        file.write(f"{_head(1000)}INSERT INTO events (id, kind) VALUES (0, 'first')")
        row, left = 0, STATEMENT_BYTES
        while left > 0:
            row += 1
            left -= file.write(f",{between}({row}, 'it''s event {row}')")
        file.write("\n")
        for number in range(1001, 2000):
            file.write(f"{_head(number)}SELECT id FROM orders WHERE id = {number}\n")

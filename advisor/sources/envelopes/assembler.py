"""Messages that `write_syslog` split are put together again.

Source: PostgreSQL, src/backend/utils/error/elog.c, `write_syslog`: a message is cut at its line ends, and a line
of more than 900 bytes at white space or, without any, anywhere; each chunk is numbered `[message-chunk]`, or `[chunk]`
without `syslog_sequence_numbers`. With `syslog_split_messages = off` a message is whole: `[message]`, or no number.
"""

import re
from collections import deque
from collections.abc import Callable, Hashable, Iterator

from advisor.sources.envelopes.envelope import Layer
from advisor.sources.envelopes.text import HEAD, mask, record

SYSLOG_LIMIT_BYTES = 900
_LETTER_BYTES = 4
"""A chunk may end this much sooner: it is cut between letters."""

IDLE_MESSAGES = 256
"""A message that got no chunk while so many others came is complete: its process writes them at once."""

HELD_BYTES = 4 << 20
HELD = 4096
"""Bytes and messages held back while an earlier one is not complete; beyond these it is taken as complete."""

_WHOLE = object()
"""The key of the last message that has no number."""

_NUMBER = re.compile(rb"\[(\d{1,20})(?:-(\d{1,9}))?\] ")


class _Message:
    __slots__ = ("chunk", "closed", "first", "held", "key", "last_bytes", "number", "stamp", "touched")

    def __init__(self, key: Hashable, number: bytes | None, chunk: int) -> None:
        self.key = key
        self.number = number
        self.chunk = chunk
        self.closed = False
        self.held: list[bytes] = []
        self.last_bytes = 0
        self.first = b""
        self.stamp = b""
        self.touched = 0


class Assembler:
    """Takes chunks and whole messages of any number of processes; gives messages in the order of their first chunks."""

    __slots__ = ("_count", "_foreign", "_held_bytes", "_last", "_layer", "_open", "_queue")

    def __init__(self, layer: Layer, foreign: Callable[[bytes], None]) -> None:
        self._layer = layer
        self._foreign = foreign
        self._queue: deque[_Message] = deque()
        self._open: dict[Hashable, _Message] = {}
        self._last: _Message | None = None
        self._count = 0
        self._held_bytes = 0

    def add(self, key: Hashable, text: bytes, stamp: bytes, line: bytes) -> Iterator[bytes]:
        """A chunk or a message of the process `key`; gives what is complete. `line` is what it came in.

        A chunk whose predecessor is lost is foreign: it could only be joined to the wrong statement.
        """
        self._count += 1
        number = _NUMBER.match(text) if self._layer.numbered else None
        if number is None:
            self._put_whole(key, text, stamp)
        else:
            self._put_chunk(key, number, text[number.end() :], stamp, line)
        return self._ready()

    def extend(self, text: bytes) -> bool:
        """A further line of the message that was added last; false where there is none."""
        if self._last is None or self._last.closed:
            return False
        own = mask(text)
        if own is not None and own == mask(self._last.first):
            self._hold(self._last, b"\n" + self._last.stamp + text)
        else:
            self._hold(self._last, b"\n" + text if text.startswith(b"\t") else b"\n\t" + text)
        return True

    def finish(self) -> Iterator[bytes]:
        """Nothing more comes."""
        for message in self._queue:
            message.closed = True
        return self._ready()

    def _put_whole(self, key: Hashable, text: bytes, stamp: bytes) -> None:
        # It stays open until the next one: its further lines may stand below it.
        self._close(key)
        self._close(_WHOLE)
        self._begin(_WHOLE, None, 0, text, stamp)

    def _put_chunk(self, key: Hashable, number: re.Match[bytes], text: bytes, stamp: bytes, line: bytes) -> None:
        split = number[2] is not None
        sequence = number[1] if split else None
        chunk = int(number[2] if split else number[1])
        opened = self._open.get(key)
        follows = opened is not None and opened.number == sequence and chunk == opened.chunk + 1
        if opened is not None and follows and (split or not _begins_record(text, opened)):
            self._continue(opened, text, stamp)
        elif chunk == 1 or (not split and mask(text) is not None):
            self._close(key)
            self._begin(key, sequence, chunk, text, stamp)
        else:
            self._close(key)
            self._foreign(line)

    def _begin(self, key: Hashable, number: bytes | None, chunk: int, text: bytes, stamp: bytes) -> None:
        message = _Message(key, number, chunk)
        message.first = text[:SYSLOG_LIMIT_BYTES]
        message.stamp = stamp
        message.touched = self._count
        message.last_bytes = len(text)
        self._queue.append(message)
        self._open[key] = self._last = message
        self._hold(message, record(self._layer, text, stamp)[:-1])

    def _continue(self, message: _Message, text: bytes, stamp: bytes) -> None:
        if text.startswith(b"\t"):
            piece = b"\n" + text
        elif (own := mask(text)) is not None and own == mask(message.first):
            piece = b"\n" + stamp + text
        elif message.last_bytes + _first_word_bytes(text) <= SYSLOG_LIMIT_BYTES - _LETTER_BYTES:
            piece = b"\n\t" + text
        else:
            piece = text
        message.chunk += 1
        message.touched = self._count
        message.last_bytes = len(text)
        self._last = message
        self._hold(message, piece)

    def _close(self, key: Hashable) -> None:
        opened = self._open.pop(key, None)
        if opened is not None:
            opened.closed = True

    def _hold(self, message: _Message, piece: bytes) -> None:
        message.held.append(piece)
        self._held_bytes += len(piece)

    def _ready(self) -> Iterator[bytes]:
        while self._queue:
            head = self._queue[0]
            # The first message is given on as it grows: a statement of any size is never held.
            for piece in head.held:
                self._held_bytes -= len(piece)
                yield piece
            head.held.clear()
            if self._count - head.touched > IDLE_MESSAGES or self._held_bytes > HELD_BYTES or len(self._queue) > HELD:
                head.closed = True
            if not head.closed:
                return
            yield b"\n"
            self._queue.popleft()
            if self._open.get(head.key) is head:
                del self._open[head.key]


def _begins_record(text: bytes, opened: _Message) -> bool:
    """Whether `[n]` numbers messages, not chunks: each then begins with a prefix and a severity that begins one."""
    found = HEAD.match(text)
    own = mask(text)
    first = mask(opened.first)
    if found is None or own is None or first is None or found[2] in _PARTS:
        return False
    return own == first or (len(own) >= _ALIKE_BYTES and own[:_ALIKE_BYTES] == first[:_ALIKE_BYTES])


_ALIKE_BYTES = 8
"""Prefixes of one server begin alike; further on some fields may be empty."""

_PARTS = frozenset((b"DETAIL", b"HINT", b"QUERY", b"CONTEXT", b"LOCATION", b"BACKTRACE", b"STATEMENT"))
_FIRST_WORD = re.compile(rb".[^ \t\r\v\f]*", re.DOTALL)


def _first_word_bytes(text: bytes) -> int:
    """A line that was cut by the limit did not fit up to the white space behind the first word of its next chunk."""
    found = _FIRST_WORD.match(text)
    return found.end() if found else 0

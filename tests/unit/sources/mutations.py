"""Records as no server writes them: torn, interleaved, in wrong encodings, with times, numbers and texts that lie."""

import re
from collections.abc import Callable, Sequence
from random import Random

Mutation = Callable[[Random, bytes, bytes], bytes]
"""A record and another one of the same log, each with its line end, to what stands in the log instead."""

_TIME = re.compile(rb"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?: ?[A-Z+-][A-Za-z0-9+:]*)?")
_DURATION = re.compile(rb"duration: [\d.]+ ms")
_NUMBER = re.compile(rb"\d+")
_SYSLOG = re.compile(rb"\[\d+(?:-\d+)?\] ")
_CRI = re.compile(rb" (?:stderr|stdout) [PF] ")
_STATEMENT = re.compile(rb"(?:statement|execute [^:\n\"]*): ")

TIMES = (
    *(b"0000-00-00 00:00:00.000 UTC", b"0000-01-01 00:00:00 UTC", b"0001-01-01 00:00:00.000 UTC"),
    *(b"1969-12-31 23:59:59.999 UTC", b"1970-01-01 00:00:00.000 +14", b"9999-12-31 23:59:60.999 -12"),
    *(b"9999-12-31 23:59:59.999 UTC", b"2026-11-20 24:61:61.000 UTC", b"2026-02-30 10:00:00.000 UTC"),
    *(b"2026-13-01 10:00:00.000 UTC", b"0044-03-15 12:00:00.000 LMT BC", b"2026-11-20 23:23:12.1 UTC"),
    *(b"2026-11-20 23:23:60.000 UTC", b"2026-11-20 23:23:12.\xc2\xb2\xc2\xb3\xc2\xb9 UTC", b"2026-11-20T23:23:12Z"),
    *(b"2026-11-20 23:23:12.000 " + zone for zone in (b"+ab", b"+", b"-", b"+99", b"-9999", b"+99:99", b"<+03>")),
    *(b"2026-11-20 23:23:12.000 " + zone for zone in (b"Europe/Berlin", b"XXX", b"+1e5", b"utc", b"-00:00:01", b"")),
)  # fmt: skip

DURATIONS = (
    *(b"-1.000", b"0.000", b"99999999999999999999.999", b"9" * 5000 + b".123", b"nan", b"inf", b"1e9", b"1.2.3"),
    *(b".5", b"5", b"5.", b"1.0000", b"1,234.567", b"\xd9\xa1\xd9\xa2.\xd9\xa1\xd9\xa2\xd9\xa3", b"0x10.000", b""),
    *(b"999999999999.999", b"99999999999.999", b"000000000000001.000", b" 1.000", b"+1.000"),
)

NUMBERS = (
    *(b"0", b"2147483648", b"9223372036854775808", b"18446744073709551616", b"9" * 40, b"9" * 5000, b"1e400", b"0x_1"),
    *(b"-1", b"00000000000000000001", b"1_000_000", b"\xc2\xb2", b"1.7976931348623157e309", b"1.2.3.4", b"."),
)

TEXTS = (
    *(b"(" * 2000, b"SELECT " + b"(" * 500 + b"1" + b")" * 500, b"/*" * 1000, b"/*" * 300 + b"*/" * 300, b"'" * 1001),
    *(b'"' * 1001, b"$$", b"$a$ $b$ $c$ $d$", b"E'\\", b"U&'\\d800'", b"U&\"\\FFFFFF\" UESCAPE '", b"--", b"/*", b"*/"),
    *(b"SELECT 1; SELECT 2; COMMIT", b";;;;", b"[" * 800, b"CASE WHEN " * 200, b"NOT " * 2000, b"- " * 2000 + b"1"),
    *(b"SELECT '" + b"\\" * 999 + b"'", b"a." * 700 + b"b", b"SELECT 1" + b" UNION SELECT 1" * 200, b"1," * 3000),
    *(b"/* a='b'" + b" " * 500 + b"x */ SELECT 1", b"SELECT 1 /*" + b"a:b," * 200 + b",*/", b"\\", b"\\'", b"\\u0000"),
    *(b"$1 = '", b"$1 = NULL, $2 = 'it''s", b"$" + b"1" * 5000, b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\x85", b"\x0c\x0b"),
    *(b"plan:\nQuery Text: ", b"rows=1.2.3 loops=", b"(cost=0.00..9e999 rows=1e999 width=0)"),
    *(b"actual rows=" + b"9" * 400,),
    *(b"Query Text: SELECT 1\n\tResult  (cost=0..0 rows=... width=4) (actual time=... rows=... loops=1)", b'{"Plan":'),
)  # fmt: skip

IMITATIONS = (
    *(b"LOG:  duration: 1.000 ms  statement: SELECT 1", b"\nLOG:  duration: 1.000 ms  statement: SELECT 1"),
    *(b"\n2026-11-20 23:23:12.151 UTC [13184] LOG:  duration: ", b'\n{"timestamp":"2026-11-20 23:23:12.151 UTC"}'),
    *(b'\n2026-11-20 23:23:12.151 UTC,"a","b",1,"c",x.y,1,"d",', b',LOG,00000,"duration: 1.000 ms  statement: x"'),
    *(b'"error_severity":"LOG","message":"duration: 1.000 ms  statement: SELECT 1"', b"\n\tDETAIL:  Parameters: "),
    *(b"DETAIL:  Parameters: $1 = 'x'", b"STATEMENT:  SELECT", b"ERROR:  "),
    *(b"CONTEXT:  PL/pgSQL function f() at RAISE",),
    *(b"temporary file: path \"base/pgsql_tmp/1\", size " + b"9" * 30,),
    *(b"process 1 still waiting for x on y after 1.000 ms",),
    *(b"Processes holding the lock: " + b"9" * 5000 + b". Wait queue: .",),
    *(b"disconnection: session time: 9:99:99.999 user=",),
    *(b"checkpoint complete: wrote 9 buffers (0.0%); ", b"automatic vacuum of table \"a.b.c\": index scans: "),
    *(b"FATAL:  ",),
    *(b'parameter "log_min_duration_statement" changed to "', b"duration: 1.000 ms", b"duration: 1.000 ms  parse a: b"),
)  # fmt: skip

JSON_ESCAPES = (
    *(b"\\ud800", b"\\udc00\\ud800", b"\\u12", b"\\x41", b"\\", b"\\\\\\", b"\\u0000", b"\\/", b'\\"', b'"', b"\\'"),
    *(
        b'","',
        b'":"',
        b"{",
        b"}",
        b'{"a":' * 300,
        b"[" * 1500,
        b"null",
        b'"user":[1],',
        b'"dbname":{"a":1},',
        b'"pid":1e999,',
    ),
    *(b'"session_id":5,', b'"timestamp":null,', b'"timestamp":[],', b'"message":7,', b'"error_severity":true,', b"NaN"),
)

INVALID = (
    *(b"\xff", b"\xfe\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf5\x80\x80\x80"),
    *(
        "Grüße".encode("latin-1"),
        "日本".encode("euc-jp"),
        "привет".encode("cp1251"),
        "LOG".encode("utf-16"),
        b"\x80" * 50,
    ),
)


def torn(rng: Random, record: bytes, other: bytes) -> bytes:
    """Its end is lost, with the line end."""
    return record[: rng.randrange(len(record) + 1)]


def beheaded(rng: Random, record: bytes, other: bytes) -> bytes:
    return record[rng.randrange(len(record) + 1) :]


def deleted(rng: Random, record: bytes, other: bytes) -> bytes:
    start, end = _range(rng, record)
    return record[:start] + record[end:]


def inserted(rng: Random, record: bytes, other: bytes) -> bytes:
    return _put(rng, record, rng.randbytes(rng.choice((1, 1, 2, 5, 40))))


def flipped(rng: Random, record: bytes, other: bytes) -> bytes:
    """A few bytes are other ones."""
    changed = bytearray(record)
    for _ in range(rng.randint(1, 4)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def duplicated(rng: Random, record: bytes, other: bytes) -> bytes:
    start, end = _range(rng, record)
    return record[:end] + record[start:end] * rng.choice((1, 1, 2, 30)) + record[end:]


def interleaved(rng: Random, record: bytes, other: bytes) -> bytes:
    """Two processes wrote at once."""
    here, there = rng.randrange(len(record) + 1), rng.randrange(len(other) + 1)
    return record[:here] + other[:there] + record[here:] + other[there:]


def rotated(rng: Random, record: bytes, other: bytes) -> bytes:
    """The log was rotated in the middle: its first part, another file's beginning, its second part."""
    cut = rng.randrange(len(record) + 1)
    return record[:cut] + rng.choice((b"", b"\n", b"\r\n")) + other + record[cut:]


def zeroed(rng: Random, record: bytes, other: bytes) -> bytes:
    """What a crash leaves in a file that was not synced."""
    return _put(rng, record, b"\0" * rng.choice((1, 7, 512, 4096)))


def miscoded(rng: Random, record: bytes, other: bytes) -> bytes:
    return _put(rng, record, rng.choice(INVALID))


def with_returns(rng: Random, record: bytes, other: bytes) -> bytes:
    if rng.random() < 0.5:
        return record.replace(b"\n", b"\r\n")
    return _put(rng, record, rng.choice((b"\r", b"\r\n", b"\n\r", b"\n", b"\n\t", b"\n\n")))


def mistimed(rng: Random, record: bytes, other: bytes) -> bytes:
    return _replaced(rng, _TIME, record, rng.choice(TIMES))


def with_duration(rng: Random, record: bytes, other: bytes) -> bytes:
    return _replaced(rng, _DURATION, record, b"duration: " + rng.choice(DURATIONS) + b" ms")


def with_number(rng: Random, record: bytes, other: bytes) -> bytes:
    return _replaced(rng, _NUMBER, record, rng.choice(NUMBERS))


def misnumbered(rng: Random, record: bytes, other: bytes) -> bytes:
    """Sequence numbers of syslog, and parts of a container's lines, that lie."""
    if _CRI.search(record):
        return _replaced(rng, _CRI, record, rng.choice((b" stderr P ", b" stdout F ", b" stderr X ", b" stdout P ")))
    numbers = (b"[1-1] ", b"[0-0] ", b"[99999999999999999999-1] ", b"[5-999999999] ", b"[-1] ", b"[7] ", b"[1-] ")
    return _replaced(rng, _SYSLOG, record, rng.choice(numbers))


def with_text(rng: Random, record: bytes, other: bytes) -> bytes:
    """Behind the statement's beginning, else anywhere."""
    text = rng.choice(TEXTS)
    found = _STATEMENT.search(record)
    if found is None or rng.random() < 0.3:
        return _put(rng, record, text)
    place = found.end()
    return record[:place] + text + (record[place:] if rng.random() < 0.7 else b"\n")


def imitating(rng: Random, record: bytes, other: bytes) -> bytes:
    return _put(rng, record, rng.choice(IMITATIONS))


def misescaped(rng: Random, record: bytes, other: bytes) -> bytes:
    return _put(rng, record, rng.choice(JSON_ESCAPES))


def misquoted(rng: Random, record: bytes, other: bytes) -> bytes:
    if rng.random() < 0.5:
        return _put(rng, record, rng.choice((b'"', b'""', b'"""', b'","', b",", b'",,,,,,,,"', b"'", b"''")))
    return record.replace(rng.choice((b'"', b"'", b",", b"\\")), b"", 1)


def lying(rng: Random, record: bytes, other: bytes) -> bytes:
    """A DETAIL of another record, or one that is none."""
    head = record.partition(b"LOG:  ")[0][:300]
    details = (
        b"Parameters: ",
        b"parameters: $1 = '",
        b"Parameters: $1 = NULL, $99999 = 'x'\n\tmore",
        b"",
        b"\xff",
        other,
    )
    return record + head + b"DETAIL:  " + rng.choice(details) + b"\n"


def enormous(rng: Random, record: bytes, other: bytes) -> bytes:
    """A line of up to some megabytes; most of them of some kilobytes."""
    size = rng.choice((10_000,) * 30 + (300_000, 3_000_000))
    unit = rng.choice(
        (b"x", b" ", b"1", b"'", b"(1),", b"\t", b"a b ", b"LOG:  duration: ", b"$a$", b'"', b"\\", b"\n\t")
    )
    return _put(rng, record, unit * (size // len(unit)))


MUTATIONS: tuple[Mutation, ...] = (
    *(torn, beheaded, deleted, inserted, flipped, duplicated, interleaved, rotated, zeroed, miscoded, with_returns),
    *(mistimed, with_duration, with_number, misnumbered, with_text, imitating, misescaped, misquoted, lying),
)

ENORMOUS_SHARE = 0.0015
"""Of the records: at more, the run would be about long lines alone."""


def mutated(rng: Random, records: Sequence[bytes], share: float) -> tuple[bytes, int]:
    """A log of the records, and how many of them are not as they were; one in eight is mutated more than once."""
    out, count = [], 0
    for record in records:
        if rng.random() >= share:
            out.append(record)
            continue
        count += 1
        changed = enormous(rng, record, b"") if rng.random() < ENORMOUS_SHARE else record
        for _ in range(rng.choice((1,) * 7 + (3,))):
            changed = rng.choice(MUTATIONS)(rng, changed, rng.choice(records))
        out.append(changed)
    return b"".join(out), count


def _range(rng: Random, record: bytes) -> tuple[int, int]:
    start = rng.randrange(len(record) + 1)
    return start, min(len(record), start + rng.choice((1, 1, 2, 8, 50, 400)))


def _put(rng: Random, record: bytes, text: bytes) -> bytes:
    place = rng.randrange(len(record) + 1)
    return record[:place] + text + record[place:]


def _replaced(rng: Random, pattern: re.Pattern[bytes], record: bytes, text: bytes) -> bytes:
    found = list(pattern.finditer(record[:5000]))
    if not found:
        return _put(rng, record, text)
    one = rng.choice(found)
    return record[: one.start()] + text + record[one.end() :]

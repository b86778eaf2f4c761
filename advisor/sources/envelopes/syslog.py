"""Syslog files and `journalctl -o short…`: RFC 3164, RFC 5424 and rsyslog's ISO form.

Sources: RFC 3164 section 4.1, RFC 5424 section 6, RFC 6587 section 3.4.1 (octet counts); rsyslog's manual,
`parser.escapeControlCharactersOnReceive` (`#011` for a tab); journalctl(1), output modes.
"""

import re
from collections.abc import Iterator

from advisor.sources.envelopes.assembler import Assembler
from advisor.sources.envelopes.envelope import Layer
from advisor.sources.envelopes.source import Source
from advisor.sources.envelopes.stamps import LegacyTimes, iso_stamp
from advisor.sources.envelopes.text import stamped

_LEGACY = rb"[A-Z][a-z]{2} [ \d]?\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?"
_ISO = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_FULL = rb"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})? [A-Z]{3,5}"
_SD = rb'(?:-|(?:\[(?:[^\]"]++|"(?:[^"\\]++|\\.)*+")*+\])+)'

_LINE = re.compile(
    rb"(?:<\d{1,3}>)?(?P<time>"
    + _LEGACY
    + rb"|"
    + _ISO
    + rb"|"
    + _FULL
    + rb") (?!\d{4}-\d\d-\d\d )(?P<host>\S{1,255}) "
    rb"(?![A-Z]{3,}:  )(?P<program>[A-Za-z_/(][^\s\[:]{0,255})(?:\[(?P<pid>\d{1,10})\])?: ?(?P<message>.*)",
    re.DOTALL,
)
_LINE_5424 = re.compile(
    rb"(?:\d{1,9} )?<\d{1,3}>1 (?P<time>"
    + _ISO
    + rb"|-) (?P<host>\S{1,255}) (?P<program>\S{1,255}) (?P<pid>\S{1,128}) "
    rb"\S{1,255} " + _SD + rb"(?: (?:\xef\xbb\xbf)?(?P<message>.*))?",
    re.DOTALL,
)
_ESCAPE = re.compile(rb"#(0[0-3][0-7]|177)")
_BANNER = re.compile(rb"-- (?:Logs begin at|Journal begins at|Boot |Reboot|No entries|cursor:)")


def header(line: bytes) -> re.Match[bytes] | None:
    """The parts of a syslog line: time, host, program, pid and message."""
    return _LINE.match(line) or _LINE_5424.match(line)


def is_banner(line: bytes) -> bool:
    """Whether journalctl says this between the entries."""
    return _BANNER.match(line) is not None


def unescaped(text: bytes) -> bytes:
    """rsyslog writes control characters in octal."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), text)


def read(layer: Layer, source: Source) -> Iterator[bytes]:
    """The lines of the inner log; other programs' lines are the envelope's own."""
    assembler = Assembler(layer, source.foreign)
    times = LegacyTimes(layer.year)
    programs = {name.encode() for name in layer.sources}
    escapes = True
    indent: int | None = None
    for line in source.lines():
        found = header(line)
        if found is None:
            # journalctl prints the further lines of an entry below it, in line with the first.
            text = line.rstrip(b"\r\n")
            below = indent is not None and not text[:indent].strip(b" ") and not text.startswith(b"\t")
            further = text[indent:] if below else text
            if indent is not None and (below or text.startswith(b"\t")) and assembler.extend(further):
                continue
            if text.strip() and not is_banner(text):
                source.foreign(line)
            continue
        program = found["program"]
        if programs and program not in programs:
            indent = None
            continue
        message = (found["message"] or b"").removesuffix(b"\n").removesuffix(b"\r")
        if b"\t" in message:
            # This syslog does not escape control characters, so that `#011` is text.
            escapes = False
        elif escapes and b"#" in message:
            message = unescaped(message)
        stamp = b""
        if layer.stamp != "none":
            time = found["time"].decode()
            at = iso_stamp(time[4:] if time[3:4] == " " and time[4:5].isdigit() and time[8:9] == "-" else time)
            stamp = stamped(layer, at or times.stamp(time), found["pid"])
        key = (found["host"], program, found["pid"])
        indent = found.start("message")
        yield from assembler.add(key, message, stamp, line)
    yield from assembler.finish()

"""What an input is: its format, how its log is written and wrapped, and when it begins."""

from collections.abc import Iterator
from dataclasses import dataclass

from advisor.sources.detect import DIGEST_MAGIC, HEAD_BYTES, Format, detect
from advisor.sources.envelopes import Envelope, find_envelope, unwrap
from advisor.sources.given_prefix import doubt_prefix
from advisor.sources.languages import detect_language
from advisor.sources.layout import Layout, LogFormat
from advisor.sources.prefix import infer_prefix
from advisor.sources.sightings import sightings
from advisor.sources.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """An input.

    Attributes:
        format: of the text, unwrapped.
        layout: of a log; None for other inputs.
        envelope: what is around the log's lines; None where nothing is.
        size: in bytes on disk, 0 where not known.
        doubt: a sentence where the given prefix does not fit most lines looked at.
        first_us: about when it begins, to put inputs in order; None where it has no time.
    """

    name: str
    format: Format
    layout: Layout | None = None
    envelope: Envelope | None = None
    size: int = 0
    first_us: int | None = None
    doubt: str | None = None

    @property
    def shown_format(self) -> str:
        """For the report: `stderr`, `csv`, …, or the wrapper's name."""
        return self.envelope.name if self.envelope is not None else self.format


def recognise_input(head: bytes, name: str, *, prefix: str | None, size: int) -> Recognised:
    """What an input is, by its first bytes (decompressed). `prefix` is the `log_line_prefix`, if the user said it.

    Raises:
        InputError: it is no text; EmptyInput: there is nothing; UnknownFormat, UnknownPrefix: it is none of the formats
            that are read.
    """
    shown = "standard input" if name == "-" else name
    if head.startswith(DIGEST_MAGIC):
        return Recognised(name=name, format="digest", size=size)
    envelope = find_envelope(head)
    if envelope is not None:
        inner = b"".join(unwrap(envelope, iter((head,)), Tally()))
        layout = _layout(envelope.inner, inner, prefix or envelope.prefix, shown)
        return Recognised(
            name=name,
            format=envelope.inner,
            layout=layout,
            envelope=envelope,
            size=size,
            first_us=_first_us(inner, layout),
            doubt=_doubt(envelope.inner, inner, prefix, shown),
        )
    found = detect(head, shown)
    if found not in ("stderr", "csv", "json"):
        return Recognised(name=name, format=found, size=size)
    layout = _layout(found, head, prefix, shown)
    return Recognised(
        name=name,
        format=found,
        layout=layout,
        size=size,
        first_us=_first_us(head, layout),
        doubt=_doubt(found, head, prefix, shown),
    )


def unwrapped(found: Recognised, blocks: Iterator[bytes], tally: Tally) -> Iterator[bytes]:
    """The blocks of an input without its envelope."""
    return blocks if found.envelope is None else unwrap(found.envelope, blocks, tally)


def _layout(log_format: LogFormat, head: bytes, prefix: str | None, name: str) -> Layout:
    if log_format != "stderr":
        return Layout(format=log_format)
    text = _text(head)
    language = detect_language(text)
    inferred = prefix if prefix is not None else infer_prefix(text, name)
    return Layout(format="stderr", prefix=inferred, language=language.name if language is not None else None)


def _doubt(log_format: LogFormat, head: bytes, prefix: str | None, name: str) -> str | None:
    return doubt_prefix(prefix, _text(head), name) if prefix is not None and log_format == "stderr" else None


def _text(head: bytes) -> str:
    return head[:HEAD_BYTES].decode("utf-8", "replace").replace("\r\n", "\n")


def _first_us(head: bytes, layout: Layout) -> int | None:
    first = next(sightings(layout.format, head), None)
    return first.at_us if first is not None else None

"""Bytes of a log as text."""

_LATIN1 = {0xDC00 + byte: byte for byte in range(128, 256)}


def decoded(data: bytes) -> str:
    """UTF-8; bytes that are none read as Latin-1, one character each."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape").translate(_LATIN1)

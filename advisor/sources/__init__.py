"""Bytes in, events out: one file per format, one verb `read`; `detect` picks."""

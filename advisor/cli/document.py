"""JSON documents of the commands that write no report."""

from collections.abc import Mapping
from typing import Any

import click
import orjson

from advisor.version import version

SCHEMA_VERSION = 1


def write_document(fields: Mapping[str, Any]) -> None:
    """Writes the document to stdout under the common head, as UTF-8 whatever the terminal's encoding is."""
    head = {"schema_version": SCHEMA_VERSION, "tool": {"name": "pg-query-advisor", "version": version()}}
    click.echo(orjson.dumps({**head, **fields}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE), nl=False)

"""Databases that show one thing each: `specials.sql` holds how they are made and what is asked of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from advisor.sandbox.host import server_account
from tests.bench.twin.load import make_database
from tests.bench.twin.originals import Original


@dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """A database. `create` are options of CREATE DATABASE, `settings` its own, `tablespaces` names with options."""

    name: str
    about: str
    statements: tuple[str, ...]
    queries: dict[str, str]
    create: str
    settings: tuple[str, ...]
    tablespaces: dict[str, str]


def specials(text: str) -> Iterator[Special]:
    """Those of a text of this form: `-- database: NAME (ABOUT)`, statements, then `-- query: NAME` and the query."""
    parts = re.split(r"^-- database: (\w+) \((.*)\)$", text, flags=re.MULTILINE)
    for name, about, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        making, *asked = re.split(r"^-- query: (.*)$", body, flags=re.MULTILINE)
        statements = re.sub(r"^--.*$", "", making, flags=re.MULTILINE).split(";\n")
        yield Special(
            name=name,
            about=about,
            statements=tuple(part.strip() for part in statements if part.strip()),
            queries={n: query.strip() for n, query in zip(asked[::2], asked[1::2], strict=True)},
            create=next(iter(re.findall(r"^-- create: (.*)$", making, flags=re.MULTILINE)), "TEMPLATE template1"),
            settings=tuple(re.findall(r"^-- setting: (.*)$", making, flags=re.MULTILINE)),
            tablespaces=dict(re.findall(r"^-- tablespace: (\w+) (.*)$", making, flags=re.MULTILINE)),
        )


def prepare_specials(original: Original) -> list[Special]:
    """Makes those that this installation can hold (ICU needs a build with it), and returns them."""
    there = original.databases()
    found = []
    for special in specials(Path(__file__).with_name("specials.sql").read_text()):
        if special.name.startswith("icu") and not has_icu(original):
            continue
        if f"special_{special.name}" not in there:
            make(original, special)
        found.append(special)
    return found


def has_icu(original: Original) -> bool:
    """Whether the build has ICU: 18's catalog lists ICU collations without it, too."""
    with original.connect("postgres") as connection:
        try:
            connection.execute("SELECT 'a'::text < 'b' COLLATE \"en-x-icu\"")
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedObject):
            return False
    return True


def make(original: Original, special: Special) -> None:
    """Makes its database, `special_NAME`."""
    for tablespace, options in special.tablespaces.items():
        _make_tablespace(original, tablespace, options)
    make_database(original, f"special_{special.name}", special.statements, create=special.create)
    with original.connect("postgres") as connection:
        for setting in special.settings:
            connection.execute(f"ALTER DATABASE special_{special.name} SET {setting}".encode())


def _make_tablespace(original: Original, name: str, options: str) -> None:
    folder = original.folder / name
    folder.mkdir(mode=0o700, exist_ok=True)
    server_account().own(folder)
    with original.connect("postgres") as connection:
        if not connection.execute("SELECT FROM pg_tablespace WHERE spcname = %s", [name]).rowcount:
            connection.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}' WITH ({options})".encode())

"""Formats and their files."""

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from advisor.cli.options import read_options, shared_options
from advisor.cli.pairs import PairedCommand, given_order, pair
from advisor.errors import UsageError


@click.command(cls=PairedCommand)
@shared_options(default_fail_on="never")
def paired(**values: object) -> None:
    formats, files = values["formats"], values["outputs"]
    assert isinstance(formats, tuple)
    assert isinstance(files, tuple)
    click.echo(pair(given_order(click.get_current_context()), formats, files))


@pytest.mark.parametrize(
    ("flags", "pairs"),
    [
        ("", [("text", None)]),
        ("--format json", [("json", None)]),
        ("-o a", [("text", "a")]),
        ("--format json -o a", [("json", "a")]),
        ("-o a --format json", [("json", "a")]),
        ("--format json -o a --format text", [("json", "a"), ("text", None)]),
        ("--format text --format json -o a", [("text", None), ("json", "a")]),
        ("-o a --format json --format text", [("json", "a"), ("text", None)]),
        ("--format json --format text -o a -o b", [("json", "a"), ("text", "b")]),
        ("--format json -o a --format github -o b --format text", [("json", "a"), ("github", "b"), ("text", None)]),
        ("--format text --format json -o a --format github -o b", [("text", None), ("json", "a"), ("github", "b")]),
    ],
)
def test_a_file_belongs_to_its_format(flags: str, pairs: list[tuple[str, str | None]]) -> None:
    ran = CliRunner().invoke(paired, flags.split())
    assert ran.output == f"{tuple(pairs)}\n"


def test_formats_from_the_environment_take_files_in_their_order() -> None:
    ran = CliRunner().invoke(paired, ["-o", "a"], env={"ADVISOR_FORMAT": "json text"})
    assert ran.output == f"{(('json', 'a'), ('text', None))}\n"


@pytest.mark.parametrize(
    ("formats", "files"), [((), ("a", "b")), (("json", "text"), ()), (("json", "text"), ("a",) * 2)]
)
def test_what_cannot_be_paired(formats: tuple[str, ...], files: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        pair((), formats, files)


@given(st.permutations(["formats"] * 3 + ["outputs"] * 2))
def test_every_file_is_written_once_and_one_format_goes_to_stdout(order: list[str]) -> None:
    pairs = pair(order, ("text", "json", "github"), ("a", "b"))
    assert [kind for kind, _ in pairs] == ["text", "json", "github"]
    assert [name for _, name in pairs if name is not None] == ["a", "b"]


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        ("--select IDX,+MIG", "select", ("IDX", "+MIG")),
        ("--table-rows orders=2_000_000,public.users=5", "table_rows", {"orders": 2_000_000, "public.users": 5}),
        ("--since 2026-03-01", "since_us", 1_772_323_200_000_000),
        ("--since 2026-03-01T01:00:00+01:00", "since_us", 1_772_323_200_000_000),
        ("--min-coverage 50", "min_coverage", 0.5),
        ("--jobs 2", "jobs", 2),
        ("--time-limit 2.5", "time_limit_s", 2.5),
    ],
)
def test_flags_become_options(flags: str, field: str, value: object) -> None:
    found: list[object] = []

    @click.command()
    @shared_options(default_fail_on="never")
    def command(**values: object) -> None:
        found.append(getattr(read_options(values), field))

    assert CliRunner().invoke(command, flags.split(), catch_exceptions=False).exit_code == 0
    assert found == [value]

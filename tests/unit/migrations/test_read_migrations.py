"""Reading migration files: order, places, modes, and what cannot be judged."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import EmptyInput, InputError
from advisor.migrations.read import natural_key, read_migrations


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def names(folder: Path) -> list[str]:
    return [Path(m.file).relative_to(folder).as_posix() for m in read_migrations([str(folder)])]


def test_versions_are_ordered_as_numbers(tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(["10_c.sql", "2_b.sql", "001_a.sql", "V1.10__y.sql", "V1.9__x.sql"], "SELECT 1"))
    assert names(tmp_path) == ["001_a.sql", "2_b.sql", "10_c.sql", "V1.9__x.sql", "V1.10__y.sql"]


def test_time_stamps_and_folders_per_migration(tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(["20260102_b/migration.sql", "20251231_a/migration.sql"], "SELECT 1"))
    assert names(tmp_path) == ["20251231_a/migration.sql", "20260102_b/migration.sql"]


def test_undo_hidden_and_other_files_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(["1_a.up.sql", "1_a.down.sql", ".git/x.sql", "readme.md"], "SELECT 1"))
    assert names(tmp_path) == ["1_a.up.sql"]


@given(st.lists(st.integers(0, 10**14), min_size=2, max_size=8, unique=True))
def test_order_is_that_of_the_numbers(numbers: list[int]) -> None:
    ordered = sorted((Path(f"{number}_x.sql") for number in numbers), key=natural_key)
    assert [int(path.name.split("_")[0]) for path in ordered] == sorted(numbers)


def test_places_and_kinds(tmp_path: Path) -> None:
    text = "-- why\nBEGIN;\n\n  CREATE INDEX a\n    ON t (x); DROP INDEX b;\nCOMMIT;\n"
    (migration,) = read_migrations([str(write(tmp_path, {"1.sql": text}) / "1.sql")])
    places = [(s.line, s.column, s.end_line, s.kind) for s in migration.statements]
    assert places == [
        (2, 1, 2, "Transaction"),
        (4, 3, 5, "CreateIndex"),
        (5, 15, 5, "DropIndex"),
        (6, 1, 6, "Transaction"),
    ]
    assert migration.transaction == "explicit"


def test_without_begin_each_statement_is_its_own_transaction(tmp_path: Path) -> None:
    (migration,) = read_migrations([str(write(tmp_path, {"1.sql": "SELECT 1; SELECT 2"}))])
    assert migration.transaction == "none"
    assert len(migration.statements) == 2


def test_copy_brings_its_rows(tmp_path: Path) -> None:
    text = "COPY t (a, b) FROM stdin;\n1\tx;y\n2\t'\n\\.\nSELECT 3;\n"
    (migration,) = read_migrations([str(write(tmp_path, {"1.sql": text}))])
    assert [s.copy_data for s in migration.statements] == ["1\tx;y\n2\t'\n", None]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SELECT 1;\n\nCREATE TABLE t (\n  a int,\n  b it is);\nSELECT 2;", "line 5: "),
        ("SELECT 1;\n\\i other.sql\n", "line 2: the psql command \\i "),
        ("\\copy t FROM 'file'\n", "line 1: the psql command \\copy "),
        ("\\! rm -rf x\n", "line 1: the psql command \\! "),
    ],
)
def test_what_cannot_be_judged_is_named_with_its_line(tmp_path: Path, text: str, error: str) -> None:
    bad, good = read_migrations([str(write(tmp_path, {"1.sql": text, "2.sql": "SELECT 1"}))])
    assert bad.error is not None
    assert bad.error.startswith(error)
    assert good.error is None


def test_harmless_psql_commands_are_passed_over(tmp_path: Path) -> None:
    text = "\\set ON_ERROR_STOP on\n\\echo hello\n\\timing\nSELECT 1;\n"
    (migration,) = read_migrations([str(write(tmp_path, {"1.sql": text}))])
    assert migration.error is None
    assert [s.sql for s in migration.statements] == ["SELECT 1"]


def test_only_comments_is_a_migration_that_does_nothing(tmp_path: Path) -> None:
    (migration,) = read_migrations([str(write(tmp_path, {"1.sql": "-- nothing to do here\n"}))])
    assert (migration.statements, migration.error) == ((), None)


def test_a_byte_order_mark_is_no_character(tmp_path: Path) -> None:
    (migration,) = read_migrations([str(write(tmp_path, {"1.sql": b"\xef\xbb\xbfSELECT 1"}))])
    assert (migration.statements[0].line, migration.statements[0].column) == (1, 1)


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", EmptyInput), (b" \n\t", EmptyInput), (b"a\0b", InputError), (b"SELECT '\xff'", InputError)],
)
def test_not_a_text_is_refused(tmp_path: Path, content: bytes, kind: type[InputError]) -> None:
    with pytest.raises(kind, match=r"1\.sql"):
        read_migrations([str(write(tmp_path, {"1.sql": content}))])


def test_a_path_that_is_not_there_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        read_migrations([str(tmp_path / "nowhere")])
    with pytest.raises(EmptyInput, match=r"no \.sql file"):
        read_migrations([str(tmp_path)])


def test_one_unreadable_file_of_several_leaves_the_others_to_be_judged(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_bytes(b"")
    (tmp_path / "2.sql").write_bytes(b"-- caf\xe9\n")
    (tmp_path / "3.sql").write_text("SELECT 1;")
    empty, latin, good = read_migrations([str(tmp_path)])
    assert (empty.error or "").endswith("1.sql is empty.")
    assert (latin.error or "").endswith("2.sql is not UTF-8. Line 1 is not.")
    assert (good.error, len(good.statements)) == (None, 1)

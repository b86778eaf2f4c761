"""`advisor digest` and `advisor merge`: logs in, one file out, which every command takes in their place."""

import json
import os
import stat
from pathlib import Path

import pytest

from tests.cli.command import BROKEN, SHOP, Command

LOG = SHOP / "postgresql.log"


def test_analyze_says_of_the_digest_what_it_says_of_the_log(advisor: Command) -> None:
    made = advisor("digest", LOG, "-o", "shop.digest")
    assert (made.code, made.out) == (0, "")
    assert "1,552 statements of 50 queries" in made.err
    assert max(map(len, made.err.splitlines())) <= 80
    assert stat.S_IMODE((advisor.home / "shop.digest").stat().st_mode) == 0o600
    of_log = advisor("analyze", LOG, "--sandbox", "off", "--format", "json").document()
    of_digest = advisor("analyze", "shop.digest", "--sandbox", "off", "--format", "json")
    assert "shop.digest: read as digest" in of_digest.err
    document = of_digest.document()
    assert document["workload"] == of_log["workload"]
    assert document["findings"] == of_log["findings"]
    for rules in ("rules_run", "rules_skipped"):
        assert document["coverage"][rules] == of_log["coverage"][rules]
    late = advisor("analyze", "shop.digest", "--sandbox", "off", "--since", "2026-11-20T23:23:20")
    assert "shop.digest is a digest and counts as a whole" in " ".join((late.out + late.err).split())
    turned = advisor("analyze", LOG, "--since", "2026-11-20T23:23:30", "--until", "2026-11-20T23:23:20")
    assert turned.code == 2
    assert "later than --until" in turned.err
    assert [each["format"] for each in document["inputs"]] == ["digest"]
    diff = advisor("diff", "shop.digest", LOG, "--format", "json")
    assert {tuple(query["changes"]) for query in json.loads(diff.out)["queries"]} == {("same",), ("unknown",)}


def test_run_again_on_a_log_that_grew(advisor: Command) -> None:
    data = LOG.read_bytes()
    log = advisor.home / "postgresql.log"
    log.write_bytes(data[:700_000])
    assert "were there already" not in advisor("digest", log, "-o", "kept").err
    log.write_bytes(data)
    again = advisor("digest", log, "-o", "kept")
    assert "684 kB were there already" in again.err
    assert "1,552 statements" in again.err
    nothing = advisor("digest", log, "-o", "kept")
    assert "added" not in nothing.err
    assert "1,552 statements" in nothing.err
    assert advisor("digest", log, "-o", "kept", "-q").err == ""


def test_a_folder_that_holds_its_own_digest(advisor: Command) -> None:
    folder = advisor.home / "logs"
    folder.mkdir()
    (folder / "postgresql.log").write_bytes(LOG.read_bytes())
    for _ in range(3):
        assert "1,552 statements" in advisor("digest", folder, "-o", folder / "x.digest").err


def test_a_log_that_begins_in_mid_record_is_read_on(advisor: Command) -> None:
    log = advisor.home / "postgresql.log"
    orphan = b"2026-11-20 23:23:19.539 UTC [13200] app@shop/web DETAIL:  Parameters: $1 = '3145'\n"
    log.write_bytes(orphan + LOG.read_bytes())
    for _ in range(3):
        assert advisor("digest", log, "-o", "b.digest").code == 0


def test_merge_in_any_order(advisor: Command) -> None:
    data = (SHOP / "postgresql.csv").read_bytes()
    cut = data.index(b"\n2026-", 500_000) + 1
    for name, piece in (("a", data[:cut]), ("b", data[cut:])):
        (advisor.home / f"{name}.csv").write_bytes(piece)
        assert advisor("digest", f"{name}.csv", "-o", f"{name}.digest").code == 0
    merged = advisor("merge", "b.digest", "a.digest", "-o", "ba")
    assert (merged.code, merged.out) == (0, "")
    assert advisor("merge", "a.digest", "b.digest", "-o", "ab").code == 0
    bodies = [(advisor.home / name).read_bytes().partition(b"\n")[2] for name in ("ab", "ba")]
    assert bodies[0] == bodies[1]
    whole = advisor("analyze", SHOP / "postgresql.csv", "--sandbox", "off", "--format", "json").document()
    assert advisor("analyze", "ba", "--sandbox", "off", "--format", "json").document()["workload"] == whole["workload"]


def test_through_a_pipe(advisor: Command) -> None:
    with advisor.start("digest", "-", "-o", "-") as process:
        out, _ = process.communicate(LOG.read_bytes())
    assert out.startswith(b'{"format":"pg-query-advisor digest"')
    made = advisor("analyze", "-", "--sandbox", "off", "--format", "json", stdin=out)
    assert [each["format"] for each in made.document()["inputs"]] == ["digest"]


def test_redacted(advisor: Command) -> None:
    made = advisor("digest", LOG, "--redact", "-o", "kept")
    assert "literals    none" in made.err
    head = json.loads((advisor.home / "kept").read_bytes().partition(b"\n")[0])
    assert head["redacted"] is True
    again = advisor("merge", "kept", "-o", "merged")
    assert "literals    none" in again.err


def test_without_a_place_to_go(advisor: Command) -> None:
    assert "-o FILE" in advisor("digest", LOG).error()
    assert "-o FILE" in advisor("merge", LOG).error()
    assert "cannot be written" in advisor("digest", LOG, "-o", "nowhere/kept").error()
    assert os.listdir(advisor.home) == []  # noqa: PTH208


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("digest", "nothing.log"), "does not exist"),
        (("digest", BROKEN / "empty.log"), "empty"),
        (("digest", BROKEN / "binary.log"), "binary"),
        (("merge", LOG), "is not a digest"),
        (("merge", "nothing.digest"), "does not exist"),
    ],
)
def test_what_cannot_be_read_leaves_no_file(advisor: Command, arguments: tuple[str | Path, ...], says: str) -> None:
    assert says in advisor(*arguments, "-o", "kept").error()
    assert os.listdir(advisor.home) == []  # noqa: PTH208


def test_other_files_are_left_alone(advisor: Command) -> None:
    notes = advisor.home / "notes.txt"
    notes.write_text("not to be lost")
    assert "is not a digest" in advisor("digest", LOG, "-o", "notes.txt", "--fresh").error()
    assert notes.read_text() == "not to be lost"
    assert advisor("digest", SHOP / "postgresql.json", "-o", "kept").code == 0
    before = (advisor.home / "kept").read_bytes()
    (advisor.home / "other.csv").write_bytes((SHOP / "postgresql.csv").read_bytes())
    assert "--fresh" in advisor("digest", "other.csv", "-o", "kept").error()
    assert (advisor.home / "kept").read_bytes() == before
    assert "1,552 statements" in advisor("digest", "other.csv", "-o", "kept", "--fresh").err


def test_a_badly_understood_log_is_refused(advisor: Command) -> None:
    torn = b"what is this\n" * 20_000
    (advisor.home / "torn.log").write_bytes(torn + LOG.read_bytes()[:100_000])
    said = advisor("digest", "torn.log", "--prefix", "%m [%p] %q%u@%d/%a ", "-o", "kept").error()
    assert "--min-coverage" in said
    assert not (advisor.home / "kept").exists()


def test_a_digest_that_was_cut_off(advisor: Command) -> None:
    assert advisor("digest", LOG, "-o", "kept").code == 0
    path = advisor.home / "kept"
    path.write_bytes(path.read_bytes()[:-10])
    for command in (("analyze", "kept", "--sandbox", "off"), ("digest", LOG, "-o", "kept"), ("diff", "kept", LOG)):
        assert "kept is damaged" in advisor(*command).error()

"""What is said about a server's log settings, from their values alone."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.doctor.check import Check
from advisor.doctor.log_settings import PREFIX, add_library, judge_settings, lacking_fields

GOOD = {
    "log_min_duration_statement": "0",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "lc_messages": "en_GB.UTF-8",
    "auto_explain.log_min_duration": "500",
    "track_io_timing": "on",
    "compute_query_id": "auto",
    "log_lock_waits": "on",
    "log_temp_files": "0",
    "log_autovacuum_min_duration": "600000",
}


def judged(settings: Mapping[str, str] | None = None, version_num: int = 180000) -> dict[str, Check]:
    return {check.name: check for check in judge_settings({**GOOD, **(settings or {})}, version_num)}


def test_a_well_set_up_server_lacks_nothing() -> None:
    assert {check.status for check in judged().values()} == {"good"}


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"log_min_duration_statement": "-1"}, "missing"),
        ({"log_min_duration_statement": "-1", "log_duration": "on", "log_statement": "mod"}, "missing"),
        ({"log_min_duration_statement": "-1", "log_duration": "on", "log_statement": "all"}, "good"),
        ({"log_min_duration_statement": "250"}, "weak"),
        ({"log_min_duration_statement": "101"}, "weak"),
        ({"log_min_duration_statement": "100"}, "good"),
        ({"log_min_duration_statement": "0"}, "good"),
    ],
)
def test_durations(settings: dict[str, str], status: str) -> None:
    check = judged(settings)["log_min_duration_statement"]
    assert check.status == status
    assert bool(check.fix) == bool(check.cost) == (status != "good")


@pytest.mark.parametrize(
    ("prefix", "lacking"),
    [
        ("%m [%p] %q%u@%d/%a ", ()),
        ("%t:%r:%u@%d:[%p]:", ()),
        ("%n %c %u %d ", ()),
        ("%m [%p] ", ("%d", "%u")),
        ("%t ", ("%p", "%d", "%u")),
        ("", ("%m", "%p", "%d", "%u")),
        ("%%m %%p %%d %%u ", ("%m", "%p", "%d", "%u")),
    ],
)
def test_prefix(prefix: str, lacking: tuple[str, ...]) -> None:
    assert lacking_fields(prefix) == lacking
    check = judged({"log_line_prefix": prefix})["log_line_prefix"]
    assert (check.status == "missing") == bool({"%m", "%p"} & set(lacking))
    assert (check.status == "good") == (not lacking)


def test_a_csv_log_has_all_fields_whatever_the_prefix() -> None:
    assert judged({"log_line_prefix": "", "log_destination": "csvlog"})["log_line_prefix"].status == "good"
    assert judged({"log_line_prefix": "", "log_destination": "csvlog,stderr"})["log_line_prefix"].status == "missing"


@pytest.mark.parametrize(
    ("locale", "status"),
    [("de_DE.UTF-8", "good"), ("ja_JP.utf8", "good"), ("zh_CN", "good"), ("zh_TW", "missing"), ("pl_PL", "missing")],
)
def test_a_log_in_a_language_that_is_not_known_cannot_be_read(locale: str, status: str) -> None:
    assert judged({"lc_messages": locale})["lc_messages"].status == status


def test_query_ids_are_of_14_and_later() -> None:
    assert judged({"compute_query_id": "off"}, 140000)["compute_query_id"].status == "missing"
    assert "compute_query_id" not in judged({"compute_query_id": "off"}, 130000)


def test_auto_explain_that_logs_nothing() -> None:
    silent = judged({"auto_explain.log_min_duration": "-1"})["auto_explain"]
    assert silent.status == "missing"
    assert not any("LOAD" in line or "libraries" in line for line in silent.fix)


@pytest.mark.parametrize("duration", ["-1", "250"])
def test_durations_are_good_once_the_advice_is_followed(duration: str) -> None:
    (fix,) = judged({"log_min_duration_statement": duration})["log_min_duration_statement"].fix
    set_ms = re.fullmatch(r"ALTER SYSTEM SET log_min_duration_statement = '(\d+)ms';", fix)
    assert set_ms is not None
    assert judged({"log_min_duration_statement": set_ms[1]})["log_min_duration_statement"].status == "good"


def test_what_the_role_may_not_see_is_not_called_missing() -> None:
    seen = {check.name: check.status for check in judge_settings({}, 180000)}
    assert seen.pop("auto_explain") == "missing", "its settings are there for everybody once it is loaded"
    assert set(seen.values()) == {"unknown"}


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters=',"', exclude_categories=["C"]), min_size=1), max_size=4
    )
)
def test_libraries_that_are_loaded_stay(libraries: list[str]) -> None:
    kept = [library.strip() for library in libraries if library.strip()]
    statement = add_library("session_preload_libraries", {"session_preload_libraries": ", ".join(kept)}, "auto_explain")
    listed = statement.removeprefix("ALTER SYSTEM SET session_preload_libraries = ").removesuffix(";")
    assert [part.replace("''", "'") for part in re.findall(r"'((?:[^']|'')*)'", listed)] == [*kept, "auto_explain"]


def test_the_recommended_prefix_lacks_nothing() -> None:
    assert lacking_fields(PREFIX) == ()

"""Server logs in other languages: which one it is, and their messages in English."""

import gettext
from pathlib import Path

import pytest

from advisor.sources.languages import detect_language, language, languages

CATALOGUES = Path("/usr/share/locale")
"""Where Debian's PostgreSQL 15 has the translations of the server."""

ISSUE = ("de", "es", "fr", "it", "ja", "ko", "pt_BR", "ru", "sv", "zh_CN")

SERVER_LINES = {
    "de": (
        "LOG:  Dauer: 1.234 ms  Anweisung: SELECT 1",
        "FEHLER:  Relation »x« existiert nicht",
        "ANWEISUNG:  SELECT * FROM x",
    ),
    "es": ("LOG:  duración: 1.234 ms  sentencia: SELECT 1", "SENTENCIA:  SELECT 1"),
    "fr": ("LOG:  durée : 1.234 ms, instruction : SELECT 1", "INSTRUCTION :  SELECT 1"),
    "it": ("LOG:  durata: 1.234 ms  istruzione: SELECT 1", "ERRORE:  la relazione non esiste"),
    "ja": ("LOG:  期間: 1.234 ミリ秒  文: SELECT 1", "文:  SELECT 1"),
    "ko": ("로그:  실행시간: 1.234 ms  명령 구문: SELECT 1", "명령 구문:  SELECT 1"),
    "pt_BR": ("LOG:  duração: 1.234 ms  comando: SELECT 1", "COMANDO:  SELECT 1"),
    "ru": ("СООБЩЕНИЕ:  продолжительность: 1.234 мс, оператор: SELECT 1", "ОПЕРАТОР:  SELECT 1"),
    "sv": ("LOGG:  varaktighet: 1.234 ms  sats: SELECT 1", "SATS:  SELECT 1"),
    "zh_CN": ("日志:  执行时间: 1.234 ms 语句: SELECT 1", "语句:  SELECT 1"),
}
"""As servers write them."""


@pytest.mark.parametrize("name", ISSUE)
def test_the_language_of_a_log_is_known(name: str) -> None:
    text = "".join(f"2026-11-20 23:09:59.815 UTC [8044] {line}\n" for line in SERVER_LINES[name])
    found = detect_language(text)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-20 23:09:59 UTC [8044] LOG:  duration: 1.234 ms  statement: SELECT 'FEHLER:  x'\n",
        "2026-11-20 23:09:59 UTC [8044] LOG:  duration: 1.234 ms  plan:\n",
        "2026-11-20 23:09:59 UTC [8044] LOG:  checkpoint starting: time\n",
        "no log at all\n",
    ],
)
def test_an_english_log_has_no_language(text: str) -> None:
    assert detect_language(text) is None


@pytest.mark.parametrize("name", ISSUE)
def test_the_first_line_says_the_statement_in_english(name: str) -> None:
    spoken = language(name)
    line = SERVER_LINES[name][0]
    mark = next(mark for mark in spoken.marks if line.startswith(mark))
    assert spoken.marks[mark] == "LOG"
    assert spoken.english(line.removeprefix(mark)) == "duration: 1.234 ms  statement: SELECT 1"
    assert line.encode().startswith(spoken.duration_mark)


@pytest.mark.parametrize(
    ("name", "message", "english"),
    [
        ("de", "Dauer: 0.071 ms  Binden S_1: SELECT $1", "duration: 0.071 ms  bind S_1: SELECT $1"),
        (
            "de",
            "Dauer: 0.071 ms  Ausführen Fetch von a/b: SELECT 1",
            "duration: 0.071 ms  execute fetch from a/b: SELECT 1",
        ),
        ("de", "00000: Dauer: 0.071 ms", "00000: duration: 0.071 ms"),
        ("de", "Parameter: $1 = '7'", "parameters: $1 = '7'"),
        ("es", "Parámetros: $1 = '7'", "parameters: $1 = '7'"),
        (
            "de",
            "Prozess 7 wartet immer noch auf ShareLock-Sperre auf Transaktion 740 nach 1000,123 ms",
            "process 7 still waiting for ShareLock on transaction 740 after 1000.123 ms",
        ),
        (
            "ja",
            "プロセス7は1000.123 ms後にトランザクション 740上のShareLockを獲得しました",
            "process 7 acquired ShareLock on transaction 740 after 1000.123 ms",
        ),
        (
            "ru",
            "подключение авторизовано: пользователь=app база=shop приложение=psql",
            "connection authorized: user=app database=shop application_name=psql",
        ),
        (
            "fr",
            "déconnexion : durée de la session : 0:00:01.234\nutilisateur=app base=shop hôte=10.0.0.3 port=5432",
            "disconnection: session time: 0:00:01.234 user=app database=shop host=10.0.0.3 port=5432",
        ),
        ("fr", "fichier temporaire : chemin « base/t1 », taille 14000", 'temporary file: path "base/t1", size 14000'),
        ("it", "annullamento dell'istruzione a causa di timeout", "canceling statement due to statement timeout"),
        ("de", "Dauer: 1.5 ms  unbekannt", "Dauer: 1.5 ms  unbekannt"),
        ("de", "duration: 12.345 ms  plan:\nQuery Text: x", "duration: 12.345 ms  plan:\nQuery Text: x"),
    ],
)
def test_messages_in_english(name: str, message: str, english: str) -> None:
    found = language(name).english(message)
    if name == "it":
        # The catalogue's own words: an apostrophe of another kind would make it another message.
        message = next(local for key, local in language(name).formats.items() if key == english)
        found = language(name).english(message)
    assert found == english


@pytest.mark.parametrize("name", sorted(languages()))
def test_steps_and_severities_are_complete(name: str) -> None:
    spoken = language(name)
    assert {"statement", "parse", "bind", "execute", "plan"} <= set(spoken.steps.values())
    assert {"LOG", "ERROR", "FATAL", "DETAIL", "STATEMENT", "HINT", "CONTEXT", "LOCATION"} <= set(spoken.marks.values())
    assert set(spoken.severities.values()) == set(spoken.marks.values())
    assert all(mark.startswith(word) for mark, word in zip(spoken.marks, spoken.severities, strict=True))


@pytest.mark.parametrize("name", sorted(languages()))
def test_marks_are_those_of_the_installed_server(name: str) -> None:
    path = CATALOGUES / name / "LC_MESSAGES" / "postgres-15.mo"
    if not path.exists():
        pytest.skip(f"the server's translations into {name} are not installed")
    with path.open("rb") as file:
        installed = gettext.GNUTranslations(file)
    spoken = language(name)
    for canonical in ("LOG", "ERROR", "FATAL", "PANIC", "DEBUG", "INFO"):
        assert spoken.marks[installed.gettext(canonical) + ":  "] == canonical
    for canonical in ("DETAIL", "STATEMENT", "HINT", "CONTEXT", "QUERY"):
        assert spoken.marks[installed.gettext(f"{canonical}:  ")] == canonical
    assert installed.gettext("[unknown]") == spoken.unknown
    assert spoken.english(installed.gettext("deadlock detected")) == "deadlock detected"

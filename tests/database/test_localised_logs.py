"""A real server that speaks another language: its log, read in English."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from advisor.sandbox.host import server_account
from advisor.sources.languages import detect_language
from advisor.sources.prefix import compile_prefix, infer_prefix

BIN = Path("/usr/lib/postgresql/15/bin")
LOCALES = {
    "de": "de_DE",
    "es": "es_ES",
    "fr": "fr_FR",
    "it": "it_IT",
    "ja": "ja_JP",
    "ko": "ko_KR",
    "ru": "ru_RU",
    "sv": "sv_SE",
    "zh_CN": "zh_CN",
}
PREFIX = "%m [%p] %q%u@%d/%a "


@contextmanager
def speaking(locale: str) -> Iterator[Path]:
    """The folder of a running server of Debian's PostgreSQL 15 with this `lc_messages`; its log is `log` there."""
    with TemporaryDirectory(prefix="speak", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder, account = Path(name), server_account()
        folder.chmod(0o755)
        made = subprocess.run(
            ["localedef", "-i", locale, "-f", "UTF-8", f"{folder}/{locale}.UTF-8"], capture_output=True, check=False
        )
        if not (folder / f"{locale}.UTF-8").exists():
            pytest.skip(f"the locale {locale} cannot be made here: {made.stderr.decode()[:100]}")
        account.own(folder)
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "LOCPATH": name}

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [BIN / program, *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                cwd=folder,
                env=environment,
                **account.spawn(),
            )

        run("initdb", "-D", f"{name}/data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
        settings = {
            "lc_messages": f"{locale}.UTF-8",
            "listen_addresses": "",
            "unix_socket_directories": name,
            "log_line_prefix": PREFIX,
            "log_connections": "on",
            "log_disconnections": "on",
            "log_checkpoints": "on",
            "log_temp_files": "0",
            "log_min_duration_statement": "0",
            "work_mem": "64kB",
            "fsync": "off",
        }
        text = "".join(f"{key} = '{value}'\n" for key, value in settings.items())
        (folder / "data" / "postgresql.auto.conf").write_text(text)
        # LC_ALL would outdo lc_messages.
        environment.update(LC_ALL="", LC_CTYPE="C.UTF-8")
        run("pg_ctl", "start", "-w", "-s", "-D", f"{name}/data", "-l", f"{name}/log")
        try:
            yield folder
        finally:
            run("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", f"{name}/data")


def work(folder: Path) -> None:
    """Statements of all kinds."""
    target = f"host={folder} user=postgres dbname=postgres application_name=test"
    with psycopg.connect(target, autocommit=True, prepare_threshold=None) as connection:
        connection.execute("SELECT 1,\n       2")
        connection.execute("SELECT %s::int", (7,), prepare=True)
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT * FROM nothing")
        connection.execute("SELECT n FROM generate_series(1, 200000) n ORDER BY n DESC")
        connection.execute("SET statement_timeout = '20ms'")
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT pg_sleep(1)")
        connection.execute("RESET statement_timeout")
        connection.execute("CHECKPOINT")
    time.sleep(0.3)


WANTED = (
    r"LOG|database system is ready to accept connections",
    r"LOG|connection received: host=\[local\]",
    r"LOG|connection authorized: user=postgres database=postgres application_name=test",
    r"LOG|duration: \d+\.\d{3} ms  statement: SELECT 1,",
    r"LOG|duration: \d+\.\d{3} ms  parse \S+: SELECT \$1::int",
    r"LOG|duration: \d+\.\d{3} ms  bind \S+: SELECT \$1::int",
    r"LOG|duration: \d+\.\d{3} ms  execute \S+: SELECT \$1::int",
    r"DETAIL|parameters: \$1 = '7'",
    r'LOG|temporary file: path "base/pgsql_tmp/.*", size \d+',
    r"ERROR|canceling statement due to statement timeout",
    r"STATEMENT|SELECT pg_sleep\(1\)",
    r"LOG|checkpoint starting: .*",
    r"LOG|disconnection: session time: \d+:\d\d:\d\d\.\d{3} user=postgres database=postgres host=\[local\]",
)
"""Severity and message, in English, of what the server writes."""

UNTRANSLATED = {"zh_CN": ("connection authorized", "checkpoint starting", "disconnection")}
"""Messages that a catalogue has not: the server writes them in English, or with other spaces."""


@pytest.mark.skipif(not (BIN / "initdb").exists(), reason="Debian's PostgreSQL 15 is not installed")
@pytest.mark.parametrize(
    "name", ["de", *(pytest.param(each, marks=pytest.mark.slow) for each in LOCALES if each != "de")]
)
def test_the_log_of_a_server_that_speaks_another_language_is_read_in_english(name: str) -> None:
    if not Path(f"/usr/share/locale/{name}/LC_MESSAGES/postgres-15.mo").exists():
        pytest.skip(f"the server's translations into {name} are not installed")
    with speaking(LOCALES[name]) as folder:
        work(folder)
        text = (folder / "log").read_text()
    spoken = detect_language(text)
    assert spoken is not None
    assert spoken.name == name
    marks = "|".join(map(re.escape, sorted(spoken.marks, key=len, reverse=True)))
    prefix = infer_prefix(text)
    line = rf"(?m)^(?P<head>{compile_prefix(prefix)})(?P<mark>{marks})(?P<message>.*(?:\n\t.*)*)"
    found = [
        f"{spoken.marks[match['mark']]}|{spoken.english(match['message'].replace(chr(10) + chr(9), chr(10)))}"
        for match in re.finditer(line, text)
    ]
    missing = [wanted for wanted in WANTED if not any(re.match(wanted.replace("|", r"\|", 1), each) for each in found)]
    missing = [each for each in missing if not each.split("|")[1].startswith(UNTRANSLATED.get(name, ("\0",)))]
    assert not missing, text
    users = {match["user"] for match in re.finditer(line, text) if "pg_sleep" in match["message"]}
    assert users == {"postgres"}

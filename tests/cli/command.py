"""The real command, in a process of its own with a temp folder of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from jsonschema import Draft202012Validator

from advisor.report import schemas

ROOT = Path(__file__).resolve().parents[2]
SHOP = ROOT / "fixtures" / "logs" / "shop"
BROKEN = ROOT / "fixtures" / "logs" / "broken"
SCHEMA = ROOT / "fixtures" / "schemas" / "shop.sql"
MIGRATIONS = ROOT / "fixtures" / "migrations"

VALIDATOR = Draft202012Validator(schemas.load("report"))
TIMEOUT_S = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What the command said and ended with."""

    code: int
    out: str
    err: str

    def document(self) -> dict[str, Any]:
        """stdout as the JSON document, valid as its schema has it."""
        value: dict[str, Any] = json.loads(self.out)
        VALIDATOR.validate(value)
        return value

    def error(self) -> str:
        """The message of a job that could not be done: what, why and what to try; nothing else is said."""
        assert self.code == 2, (self.code, self.out, self.err)
        assert self.out == ""
        assert "Traceback" not in self.err
        assert "defect of advisor" not in self.err
        what, *rest = self.err.rstrip("\n").split("\n")
        assert what.startswith("error: "), self.err
        assert rest, "neither why nor what to try"
        assert all(line.startswith("  ") for line in rest), self.err
        return self.err

    def refusal(self) -> str:
        """The message of a wrong call."""
        assert self.code == 2, (self.code, self.out, self.err)
        assert self.out == ""
        assert "Traceback" not in self.err
        return self.err


@dataclass(frozen=True, slots=True)
class Command:
    """`advisor` with a temp folder, a cache and a working folder of its own."""

    home: Path
    temp: Path

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[bytes]:
        """The command, begun; its streams are pipes."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ADVISOR_", "PG", "NO_COLOR", "COLUMNS"))}
        return subprocess.Popen(
            [sys.executable, "-m", "advisor", *map(str, arguments)],
            cwd=self.home,
            env=kept | {"TMPDIR": str(self.temp)} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __call__(self, *arguments: str | Path, stdin: bytes = b"", **environment: str) -> Ran:
        """Runs it to its end and sees that nothing is left behind."""
        with self.start(*arguments, **environment) as process:
            out, err = process.communicate(stdin, timeout=TIMEOUT_S)
        self.nothing_left()
        return Ran(code=process.returncode, out=out.decode(), err=err.decode())

    def stopped(self, number: signal.Signals, after_s: float, *arguments: str | Path, times: int = 1) -> Ran:
        """Runs it, and sends it a signal after it had so much of a processor: a busy machine changes nothing."""

        def send() -> None:
            while process.poll() is None and _processor_s(process.pid) < after_s:
                time.sleep(0.005)
            for _ in range(times):
                process.send_signal(number)
                time.sleep(0.05)

        with self.start(*arguments) as process:
            # Beside the reading: a process that waits for its output to be taken uses no processor.
            sender = threading.Thread(target=send)
            sender.start()
            out, err = process.communicate(timeout=TIMEOUT_S)
            sender.join()
        self.nothing_left()
        return Ran(code=process.returncode, out=out.decode(), err=err.decode())

    def servers(self) -> list[str]:
        """Command lines of processes that work in the temp folder."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if str(self.temp) in line:
                    found.append(line)
        return found

    def nothing_left(self) -> None:
        """Neither a folder nor a server of it is there any more."""
        assert self.servers() == []
        assert list(self.temp.iterdir()) == []


def _processor_s(pid: int) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return float("inf")

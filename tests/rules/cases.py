"""Reads the cases of the rules: `fixtures/rules/<CODE>/<fires|quiet>-<what>.sql`.

A case is a head of `--` lines (`case:`, `expect:`, `rows:`) and parts that begin with `--- NAME`: `schema`, `queries`,
`log` and any number of `migration FILE`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "rules"

_HEAD = re.compile(r"-- (case|expect|rows): (.+)")
_PART = re.compile(r"^--- (schema|queries|log|migration)(?: (\S+))?[ \t]*$", re.MULTILINE)
_MEAN = re.compile(r"mean_ms:\s*([\d.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case.

    Attributes:
        code: the rule it belongs to.
        expect: (rule code, text that occurs in the key of one of its findings); empty: nothing is found.
        rows: believed row counts, as `--table-rows` gives them.
        queries: a `.sql` workload; `means` has each statement's `-- mean_ms:` in order, None where it has none.
        migrations: (file name, text).
    """

    path: Path
    code: str
    sentence: str
    expect: tuple[tuple[str, str], ...]
    rows: Mapping[str, int]
    schema: str = ""
    queries: str | None = None
    log: str | None = None
    migrations: tuple[tuple[str, str], ...] = field(default_factory=tuple)

    @property
    def fires(self) -> bool:
        return self.path.name.startswith("fires-")


def read_cases(folder: Path = FOLDER) -> list[Case]:
    """Every case below the folder, by path."""
    return [read_case(path) for path in sorted(folder.glob("*/*.sql"))]


def read_case(path: Path) -> Case:
    """One case; ValueError says what is wrong with the file."""
    text = path.read_text()
    marks = list(_PART.finditer(text))
    head = _head(text[: marks[0].start()] if marks else text, path)
    parts: dict[str, str] = {}
    migrations: list[tuple[str, str]] = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        body = text[mark.end() : following.start() if following else len(text)].lstrip("\n")
        if mark[1] == "migration":
            migrations.append((mark[2] or "", body))
        elif mark[1] in parts:
            raise ValueError(f"{path}: two parts {mark[1]}")
        else:
            parts[mark[1]] = body
    case = Case(
        path=path,
        code=path.parent.name,
        sentence=head["case"][0],
        expect=_expected(head["expect"]),
        rows=_rows(head.get("rows", [])),
        schema=parts.get("schema", ""),
        queries=parts.get("queries"),
        log=parts.get("log"),
        migrations=tuple(migrations),
    )
    _check(case)
    return case


def mean_ms(comments: str) -> float | None:
    """The `-- mean_ms: N` among the comments above a statement."""
    found = _MEAN.search(comments)
    return float(found[1]) if found else None


def _head(text: str, path: Path) -> dict[str, list[str]]:
    head: dict[str, list[str]] = {}
    for line in text.splitlines():
        match = _HEAD.fullmatch(line.strip())
        if match:
            head.setdefault(match[1], []).append(match[2].strip())
        elif line.strip():
            raise ValueError(f"{path}: not a line of a case's head: {line}")
    if len(head.get("case", [])) != 1 or not head.get("expect"):
        raise ValueError(f"{path}: wants one `-- case:` and at least one `-- expect:`")
    return head


def _expected(lines: list[str]) -> tuple[tuple[str, str], ...]:
    if lines == ["nothing"]:
        return ()
    pairs = [line.partition(" ") for line in lines]
    return tuple((code, "".join(text.split())) for code, _, text in pairs)


def _rows(lines: list[str]) -> dict[str, int]:
    pairs = [pair.split("=") for line in lines for pair in line.split(",")]
    return {name.strip(): int(count) for name, count in pairs}


def _check(case: Case) -> None:
    name = case.path.name
    if not name.startswith(("fires-", "quiet-")):
        raise ValueError(f"{case.path}: is called neither fires-… nor quiet-…")
    if case.fires != bool(case.expect):
        raise ValueError(f"{case.path}: fires-… expects findings, quiet-… expects `nothing`")
    if case.fires and case.code not in {code for code, _ in case.expect}:
        raise ValueError(f"{case.path}: expects nothing of {case.code}")

"""The checkout's Python files, and what they import."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Import(NamedTuple):
    """`module` is imported by the file at `path` (relative to the checkout); `top`: when the file is imported."""

    path: Path
    line: int
    module: str
    top: bool


def python_files(*folders: str) -> list[Path]:
    """Relative to the checkout, sorted."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found)


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file, those within functions and under TYPE_CHECKING, too."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    inner = {id(node) for outer in ast.walk(tree) if isinstance(outer, ast.FunctionDef) for node in ast.walk(outer)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(path, node.lineno, alias.name, id(node) not in inner) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = f"{'.' * node.level}{node.module or ''}"
                whole = f"{module}.{alias.name}" if module in ("advisor", "advisor_rules") else module
                yield Import(path, node.lineno, whole, id(node) not in inner)

"""Defaults from `advisor.toml` or `[tool.advisor]` in `pyproject.toml`: flags > environment > file > defaults."""

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

import click

from advisor.errors import UsageError


def configured(group: click.Group, folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """A default map for click: the settings of the nearest configuration file, for every command that knows them.

    Raises:
        UsageError: the file does not parse, or has a key that is no flag of any command.
    """
    found = _nearest((folder or Path.cwd()).absolute())
    if found is None:
        return {}
    path, settings = found
    maps: dict[str, dict[str, Any]] = {name: {} for name in group.commands}
    flags = {
        (name, _key(parameter)): parameter
        for name, command in group.commands.items()
        for parameter in command.params
        # Without a variable of the environment it is of one command alone, such as the doctor's own --format.
        if isinstance(parameter, click.Option) and parameter.envvar
    }
    known = {key for _, key in flags}
    for key, value in settings.items():
        if key not in known:
            close = difflib.get_close_matches(key, sorted(known), n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known keys: {', '.join(sorted(known))}."
            raise UsageError(f"{path}: unknown key {key!r}", hint=hint)
        for name in maps:
            if (parameter := flags.get((name, key))) is not None and parameter.name is not None:
                maps[name][parameter.name] = _value(value, parameter.multiple)
    return maps


def _nearest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    for parent in (folder, *folder.parents):
        for name in ("advisor.toml", "pyproject.toml"):
            path = parent / name
            if os.access(path, os.R_OK) and path.is_file():
                settings = _read(path)
                if name == "pyproject.toml":
                    settings = settings.get("tool", {}).get("advisor")
                if settings is not None:
                    return path, settings
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"cannot read {path}", why=str(error)) from None


def _key(parameter: click.Option) -> str:
    long = [name for name in parameter.opts if name.startswith("--")]
    return long[0][2:] if long else parameter.opts[0]


def _value(value: Any, multiple: bool) -> Any:
    """As the flags take them: a flag that may be repeated a list, others `a,b` and `orders=10,users=20`."""
    if multiple:
        return [str(item) for item in value] if isinstance(value, list) else [str(value)]
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in value.items())
    return value

"""The JSON Schemas (2020-12) of the documents, as package data.

`report.json` is for analyze, check and demo, `sandboxes.json` for sandbox list, `doctor.json` for doctor,
`difference.json` for diff.
"""

import json
from importlib import resources
from typing import Any


def load(name: str) -> dict[str, Any]:
    """The schema of that name, without `.json`.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    schema: dict[str, Any] = json.loads((resources.files(__package__) / f"{name}.json").read_text(encoding="utf-8"))
    return schema

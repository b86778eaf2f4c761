"""Which language a log is in, by its own lines."""

import re
from functools import cache

from advisor.sources.languages.language import Language
from advisor.sources.languages.marks import MARKS

_ENGLISH = re.compile(
    r"(?:LOG|ERROR|FATAL|WARNING|DETAIL|STATEMENT|CONTEXT|HINT):  (?:[0-9A-Z]{5}: )?(?:duration: [\d.]+ ms(?!  plan)|"
    r"statement: |execute |connection |checkpoint |automatic |disconnection|parameters|Parameters|process |temporary )"
)
"""Messages in English. A plan is in English in every log: auto_explain has no translations."""


def languages() -> tuple[str, ...]:
    """The names of the languages that are known."""
    return tuple(MARKS)


@cache
def language(name: str) -> Language:
    """The language of that name.

    Raises:
        KeyError: it is not one of `languages()`.
    """
    return Language(name)


def detect_language(text: str) -> Language | None:
    """The language of a log's lines; None where they are in English, or in none that is known.

    Counted are the severities and labels that English has not (`FEHLER:  `), and messages behind a severity that it
    shares (`LOG:  Dauer: `): Spanish and Japanese servers call an error `ERROR`. The language with most lines wins.
    """
    scores = {name: _score(language(name), text) for name in languages()}
    best = max(scores, key=lambda name: scores[name])
    return language(best) if scores[best] and scores[best] > len(_ENGLISH.findall(text)) else None


def _score(found: Language, text: str) -> int:
    plain = text.isascii()
    own = sum(text.count(mark) for mark in found.own_marks if mark.isascii() or not plain)
    shared = 0
    for mark in (mark for mark in found.marks if mark not in found.own_marks and mark in text):
        shared += len(_behind(found.name, mark).findall(text))
    return own + shared


@cache
def _behind(name: str, mark: str) -> re.Pattern[str]:
    heads = "|".join(re.escape(head) for head in language(name).message_heads)
    return re.compile(rf"{re.escape(mark)}(?:[0-9A-Z]{{5}}: )?(?:{heads})")

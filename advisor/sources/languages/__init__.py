"""Server logs in other languages than English: which one it is, its severities, its messages in English.

`detect_language(text)` gives a `Language`, or None where the log is in English. What the readers need of it:
`marks` (what stands between prefix and message), `english(message)`, and for a hot path `duration_mark` and `steps`.
"""

from advisor.sources.languages.detect import detect_language, language, languages
from advisor.sources.languages.language import Language

__all__ = ["Language", "detect_language", "language", "languages"]

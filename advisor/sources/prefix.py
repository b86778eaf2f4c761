"""`log_line_prefix`: from its setting to a pattern, and from a log's own lines to its setting."""

from advisor.sources.conventions import COMMON
from advisor.sources.escapes import SEVERITIES, compile_prefix
from advisor.sources.infer import infer_prefix

__all__ = ["COMMON", "SEVERITIES", "compile_prefix", "infer_prefix"]

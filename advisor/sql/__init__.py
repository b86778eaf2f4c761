"""The one door to the SQL parsers: parse, identify, normalise, column use, deparse, quote."""

"""One short file per command: parse, call the api, render."""

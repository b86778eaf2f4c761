"""The `log_line_prefix` of a log, from its lines alone."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise, product

from advisor.errors import UnknownPrefix
from advisor.sources.background import followed, stop_of, text_of
from advisor.sources.columns import Field, Layout, Text, lay_out, merged, parted, tokens
from advisor.sources.conventions import conventional_prefix
from advisor.sources.counters import LITERAL, Background
from advisor.sources.escapes import compile_prefix
from advisor.sources.heads import CONTINUED, Head, Names, read_heads, read_names
from advisor.sources.labels import KEYS, Labels, label
from advisor.sources.languages import detect_language

ENOUGH_MATCHED = 0.6
"""Share of the lines with a severity that a prefix must match: the rest may come from another server or program."""

ENOUGH_SESSIONS = 8
"""Lines of sessions: with fewer the layout is taken from all lines."""


def infer_prefix(text: str, name: str = "the log") -> str:
    """The `log_line_prefix` of a log, from its first lines (of up to some hundred kilobytes).

    A prefix that gives the same time, process, session, transaction, user, database and application for every line as
    the server's own; escapes and literals that make no difference to that may differ. Without `%m`, `%t` or `%n` in it
    the events have no time, without `%p` or `%c` no session: counts and durations stay right. An empty prefix is one.

    Raises:
        UnknownPrefix: no prefix matches enough lines, or two would that give another user, database, application or
            process; names a line, the best guess, the share of the lines it fits and the flag.
    """
    language = detect_language(text)
    heads, everything = read_heads(text, language)
    unknown = language.unknown if language else "[unknown]"
    names = read_names(text, heads)
    if not heads:
        raise _refused(name, text, "", 0.0, "no line has a severity such as LOG or ERROR")
    best: tuple[float, str, str | None] = (0.0, "", "its parts do not follow one pattern")
    for chosen, long_names in product(_choices(heads), (True, False)):
        found = _inferred(chosen, heads, names, unknown, long_names=long_names)
        if found is None:
            continue
        prefix, doubt = found
        share, related = _fit(prefix, everything)
        if related is not None and doubt is None:
            doubt = f"it does not fit lines such as {related[:200]!r}"
        if share > best[0]:
            best = (share, prefix, doubt)
        if share >= ENOUGH_MATCHED and doubt is None:
            return prefix
    sessions = [head.text for head in heads if not head.background]
    background = [head.text for head in heads if head.background]
    common = conventional_prefix(sessions, background, names) if sessions else None
    if common is not None and _fit(common, everything)[1] is None:
        return common
    share, prefix, doubt = best
    if share < ENOUGH_MATCHED:
        doubt = "its parts do not follow one pattern"
    line = _example(text, everything)
    raise _refused(name, line, prefix, share, doubt or "")


def _choices(heads: Sequence[Head]) -> Sequence[Sequence[Head]]:
    """Lines to lay out: those of sessions, which have all fields; or all, where there are few."""
    sessions = [head for head in heads if not head.background]
    return (sessions, heads) if len(sessions) >= ENOUGH_SESSIONS else (heads, sessions)


def _inferred(
    chosen: Sequence[Head], heads: Sequence[Head], names: Names, unknown: str, *, long_names: bool
) -> tuple[str, str | None] | None:
    """A prefix, and why it is in doubt."""
    if not chosen:
        return None
    layout = lay_out(chosen, tokens(names, unknown), long_names=long_names)
    if layout is None:
        return None
    layout = _without_strokes(_with_keys(layout, names), heads)
    outside = [*layout.stopped, *(head for head in heads if head.background)]
    background = followed(layout, outside)
    labels = label(layout, background, names, unknown)
    layout, labels = _longer_application(layout, background, labels)
    background = followed(layout, outside)
    prefix = _assembled(layout, labels, background, stop_of(layout, background))
    if outside:
        prefix = _with_stop(prefix, layout, labels, background, [head.text for head in outside])
    prefix = _padded_names(prefix, [head.text for head in heads])
    kept = [head.text for head in layout.heads]
    prefix = _with_leader(prefix, kept, [head.text for head in (*layout.aside, *outside)])
    why = None if labels.doubt is None else f"{labels.doubt!r} may be one field or another"
    misread = _misread(prefix, kept, [head.text for head in heads])
    if why is None and misread:
        why = f"it would read a wrong user or database from lines such as {misread[0][:200]!r}"
    if why is None and (blank := _with_blanks(prefix, kept, names)):
        why = f"it would read {blank!r} as one name"
    if why is None and _named(prefix, [head.text for head in heads if head.background]):
        return prefix, "processes without a client would have a user, a database or an application"
    return prefix, why


def _without_strokes(layout: Layout, heads: Sequence[Head]) -> Layout:
    """With `%p/%x` or `%p/%l` taken apart: they look like `%v`, which a connection only received has not yet."""
    early = {head.row for head in heads if head.received}
    pieces = layout.pieces
    for number in range(len(pieces) - 1, -1, -1):
        piece = pieces[number]
        if not isinstance(piece, Field) or piece.kind != "v" or "" in piece.values:
            continue
        filled = sum(head.row in early for head in layout.heads)
        steps = [
            int(other.partition("/")[2]) - int(one.partition("/")[2])
            for (one, other), (_, head) in zip(pairwise(piece.values), pairwise(layout.heads), strict=True)
            if head.severity in CONTINUED
        ]
        if filled or (steps and 2 * steps.count(1) > len(steps)):
            pieces = parted(pieces, number)
    return replace(layout, pieces=pieces)


def _with_keys(layout: Layout, names: Names) -> Layout:
    """Keys (`user=`) are text, and what stands behind one up to the next mark is one value."""
    pieces: list[Text | Field] = []
    for number, piece in enumerate(layout.pieces):
        behind = layout.pieces[number + 1] if number + 1 < len(layout.pieces) else None
        if isinstance(piece, Field) and piece.kind == "word" and piece.constant and _is_key(piece.values[0], behind):
            piece = Text(text=piece.values[0])
        before = pieces[-1] if pieces else None
        if isinstance(piece, Text) and isinstance(before, Text) and not piece.uneven and not before.uneven:
            pieces[-1] = Text(text=before.text + piece.text)
        else:
            pieces.append(piece)
    position = 1
    while position < len(pieces) - 2:
        before, value, after, other = pieces[position - 1 : position + 3]
        following = pieces[position + 3] if position + 3 < len(pieces) else Text(text="")
        if (
            isinstance(before, Text)
            and before.text.endswith(("=", '="', "='"))
            and isinstance(after, Text)
            and after.text == " "
            and not text_of(following).startswith((":", "="))
            and isinstance(other, Field)
            and other.kind == "word"
            and other.constant
            and other.values[0] not in names.all
            and isinstance(value, Field)
            and value.kind == "word"
        ):
            pieces[:] = merged(pieces, position, position + 2)
        else:
            position += 1
    return replace(layout, pieces=tuple(pieces))


def _is_key(word: str, behind: Text | Field | None) -> bool:
    if not isinstance(behind, Text):
        return False
    return behind.text.startswith("=") or (behind.text.startswith((":", " =", " :")) and word.lower() in KEYS)


def _longer_application(layout: Layout, background: Sequence[Background], labels: Labels) -> tuple[Layout, Labels]:
    """An application with blanks in its name on all lines: words behind it that nothing else explains are its own."""
    for number, letter in labels.letters.items():
        last = number
        while (
            letter == "a"
            and last + 2 < len(layout.pieces)
            and labels.letters.get(last + 2) == LITERAL
            and text_of(layout.pieces[last + 1]) == " "
            and not "".join(map(text_of, layout.pieces[last + 3 : last + 4])).startswith((":", "="))
            and not any(line.stop > last + 2 for line in background)
        ):
            last += 2
        if last > number:
            pieces = merged(layout.pieces, number, last)
            moved = {
                at if at <= number else at - last + number: found
                for at, found in labels.letters.items()
                if not number < at <= last
            }
            return replace(layout, pieces=pieces), replace(labels, letters=moved)
    return layout, labels


def _assembled(layout: Layout, labels: Labels, background: Sequence[Background], stop: tuple[int, int] | None) -> str:
    parts: list[str] = []
    padded = _padded(layout, labels, background)
    for number, piece in enumerate(layout.pieces):
        if isinstance(piece, Text):
            cut = stop[1] if stop and stop[0] == number else None
            before, behind = number - 1 in padded, number + 1 in padded
            if piece.uneven and (before or behind):
                sides = text_of((layout.pieces[number - 1 : number] or (piece,))[0])[-1:]
                sides += "".join(map(text_of, layout.pieces[number + 1 : number + 2]))[:1]
                parts.append("" if set(sides) & set(_MARKS) else " " * bool(piece.text))
                continue
            if not piece.uneven:
                before, behind = before and piece.text.startswith("  "), behind and piece.text.endswith("  ")
            parts.append(_literal(piece.text, cut, before=before, behind=behind))
            continue
        if stop and stop[0] == number:
            parts.append("%q")
        if labels.letters.get(number, LITERAL) == LITERAL:
            parts.append(piece.values[0].replace("%", "%%"))
        else:
            letter = labels.letters[number].replace("?", "b")
            parts.append(f"%{_WIDTH if number in padded else ''}{letter}")
    return "".join(parts)


def _with_stop(
    prefix: str, layout: Layout, labels: Labels, background: Sequence[Background], outside: Sequence[str]
) -> str:
    """With `%q` where it explains most lines of processes without a client: empty padded fields look like text."""
    best, most = prefix, _explained(prefix, outside)
    if most == len(outside):
        return prefix
    for place in range(len(layout.pieces)):
        other = _assembled(layout, labels, background, (place, 0))
        explained = 0 if _named(other, outside) else _explained(other, outside)
        if explained > most:
            best, most = other, explained
    return best


def _explained(prefix: str, heads: Sequence[str]) -> int:
    pattern = re.compile(compile_prefix(prefix))
    return sum(map(bool, map(pattern.fullmatch, heads)))


def _named(prefix: str, background: Sequence[str]) -> bool:
    """Whether most of these lines would have a user, a database or an application."""
    pattern = re.compile(compile_prefix(prefix))
    found = [match.groupdict() for head in background if (match := pattern.fullmatch(head))]
    named = sum(any(fields.get(name) for name in ("user", "database", "application")) for fields in found)
    return 2 * named > len(found)


def _padded_names(prefix: str, heads: Sequence[str]) -> str:
    """With padding where a name would begin or end with blanks."""
    pattern = re.compile(compile_prefix(prefix))
    found = [match.groupdict() for head in heads if (match := pattern.fullmatch(head))]
    for letter, name in (("u", "user"), ("d", "database"), ("a", "application")):
        if any((value := fields.get(name)) and value != value.strip() for fields in found):
            prefix = re.sub(rf"(?<!%)((?:%%)*)%{letter}", rf"\1%{_WIDTH}{letter}", prefix, count=1)
    return prefix


def _literal(text: str, cut: int | None, *, before: bool, behind: bool) -> str:
    """Text with `%q` before its letter `cut`; without the blanks that belong to a padded field before or behind it."""
    first, last = (text, "") if cut is None else (text[:cut], text[cut:])
    if before:
        first = _fewer(first)
    if behind:
        last, first = (_fewer(last[::-1])[::-1], first) if last else (last, _fewer(first[::-1])[::-1])
    return first.replace("%", "%%") + ("" if cut is None else "%q") + last.replace("%", "%%")


_MARKS = "[](){}<>|,;:"


def _fewer(text: str) -> str:
    """One blank at the beginning stays, where no bracket or other mark follows that would stand there without it."""
    rest = text.lstrip(" ")
    return rest if rest[:1] in tuple(_MARKS) and len(rest) < len(text) else " " * (rest != text) + rest


_WIDTH = "5"
"""Of a padded field: any, since it only allows for blanks."""


def _padded(layout: Layout, labels: Labels, background: Sequence[Background]) -> frozenset[int]:
    """Fields beside blanks that are uneven; or more than one, where the field is always as long."""
    found = set()
    for number, piece in enumerate(layout.pieces):
        if isinstance(piece, Text) and piece.uneven:
            before, behind = (
                labels.letters.get(at, LITERAL) != LITERAL and _as_wide(layout, at, piece.uneven)
                for at in (number - 1, number + 1)
            )
            found.update(
                {number - 1} if before and not behind else {number + 1} if behind else {number - 1, number + 1}
            )
        elif isinstance(piece, Text):
            beside = ((number - 1, piece.text.startswith("  ")), (number + 1, piece.text.endswith("  ")))
            found.update(at for at, blanks in beside if blanks and len(_lengths(layout, at)) == 1)
        elif any(line.stop > number and line.values[number].startswith(" ") for line in background):
            found.add(number)
    return frozenset(at for at in found if labels.letters.get(at, LITERAL) not in (LITERAL, "m", "t"))


def _lengths(layout: Layout, number: int) -> frozenset[int]:
    piece = layout.pieces[number] if 0 <= number < len(layout.pieces) else None
    return frozenset(len(value) for value in piece.values if value) if isinstance(piece, Field) else frozenset()


def _as_wide(layout: Layout, number: int, blanks: Sequence[int]) -> bool:
    """Whether a field and the blanks beside it are always as wide together, but for values that fill the width."""
    piece = layout.pieces[number] if 0 <= number < len(layout.pieces) else None
    if not isinstance(piece, Field):
        return False
    least = min(blanks)
    wide = {len(value) + count for value, count in zip(piece.values, blanks, strict=True) if count > least}
    return len(wide) == 1


def _with_leader(prefix: str, kept: Sequence[str], others: Sequence[str]) -> str:
    """With `%P` where that explains lines of another shape: parallel workers name their leader."""
    pattern = re.compile(compile_prefix(prefix))
    failing = [head for head in others if not pattern.fullmatch(head)] + _misread(prefix, kept, others)
    if not failing:
        return prefix
    for longer in _with_escape(prefix, "P"):
        explained = _explained(longer, failing) - len(_misread(longer, kept, failing))
        if explained >= max(1, _EXPLAINED * len(failing)) and _explained(longer, kept) == _explained(prefix, kept):
            return longer
    return prefix


def _with_blanks(prefix: str, kept: Sequence[str], names: Names) -> str | None:
    """A user or database with a blank in it that no connection's message has: perhaps two fields."""
    pattern = re.compile(compile_prefix(prefix))
    for head in kept:
        fields = match.groupdict() if (match := pattern.fullmatch(head)) else {}
        for value in (fields.get("user"), fields.get("database")):
            if value and " " in value.strip() and value.strip() not in names.all:
                return value.strip()
    return None


def _misread(prefix: str, kept: Sequence[str], others: Sequence[str]) -> list[str]:
    """Lines of which a number would be the user or the database, that no line of a session has."""
    pattern = re.compile(compile_prefix(prefix))

    def names(head: str) -> set[str]:
        fields = match.groupdict() if (match := pattern.fullmatch(head)) else {}
        return {value for name in ("user", "database", "application") if (value := fields.get(name) or "").isdigit()}

    known = {name for head in kept for name in names(head)}
    return [head for head in others if names(head) - known]


def _with_escape(prefix: str, letter: str) -> Iterator[str]:
    """The prefix with one more escape, at each place between its parts and in place of blanks."""
    for place in [*(part.start() for part in re.finditer(r"%-?\d*[a-zA-Z%]|[^%]", prefix)), len(prefix)]:
        before, behind = prefix[:place], prefix[place:]
        yield f"{before}%{letter}{behind}"
        if behind.startswith("  ") and not before.endswith(" "):
            yield f"{before}%{_WIDTH}{letter}{behind.lstrip(' ')}"


_EXPLAINED = 0.1
"""Of the lines of another shape: %P must explain as many, or it is a chance."""


def _fit(prefix: str, everything: Sequence[str]) -> tuple[float, str | None]:
    """Share (0 to 1) of the lines with a severity whose head is what `prefix` says; and a head of those that begin
    like it but go on in another way, if they are more than damage explains."""
    pattern = re.compile(compile_prefix(prefix))
    others = [head for head in everything if not pattern.fullmatch(head)]
    first = re.match(r"(?:[^%]|%%|%q)*(?:%-?\d*[a-zA-Z])?", prefix)
    begins = re.compile(compile_prefix(first[0] if first else "").replace("(?:)?", ""))
    related = [head for head in others if (found := begins.match(head)) and found.end()]
    return 1 - len(others) / len(everything), related[0] if len(related) > _RELATED * len(everything) else None


_RELATED = 0.02
"""Share of lines that begin like the others and do not follow the prefix: a few are torn."""


def _example(text: str, everything: Sequence[str]) -> str:
    """A line of the commonest shape."""
    shapes = Counter(re.sub(r"\w+", "w", head) for head in everything)
    common = shapes.most_common(1)[0][0]
    head = next(head for head in everything if re.sub(r"\w+", "w", head) == common)
    start = text.find(head) if head else 0
    return text[start:].split("\n", 1)[0]


def _refused(name: str, line: str, guess: str, share: float, why: str) -> UnknownPrefix:
    first = line.split("\n", 1)[0][:200]
    tried = f"the best guess, {guess!r}, fits {share:.0%} of the lines looked at" if share else "nothing fits its lines"
    return UnknownPrefix(
        f"The line prefix of {name} is not one that can be inferred: {why}.",
        why=f"One of its lines is {first!r}; {tried}.",
        hint="Run SHOW log_line_prefix on the server and give it: --prefix '%m [%p] '",
    )

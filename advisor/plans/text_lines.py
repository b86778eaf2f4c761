"""The lines of a text plan, put together again where they were wrapped, one group for each plan of the input."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from advisor.plans.frames import Line
from advisor.plans.node_line import NODE_NAME

ARROW = re.compile(r"^(?P<indent>\s*)->\s*(?P<node>.*)$", re.DOTALL)
HEADER = re.compile(
    r"^(?P<indent>\s*)(?P<name>CTE \S.*|(?P<kind>InitPlan|SubPlan)(?: [\w$]+)?(?: \(returns [^)]*\))?)\s*$"
)
PROPERTY = re.compile(
    r"^(?P<indent>\s*)(?P<label>Trigger [^:]+(?=: (?:time|calls)=)|[A-Z][A-Za-z0-9/_ ()-]{0,60}?):"
    r"(?:\s+(?P<value>.*))?$",
    re.DOTALL,
)
TARGET = re.compile(r"^\s+(?:Foreign )?(?:Insert|Update|Delete|Merge) on \S+(?:\s\S+)?\s*$")

_FIGURES = re.compile(r"\s\((?:cost=|actual |never executed)")
_END = re.compile(r"^\s*(?:(?:Execution [Tt]ime|Total runtime): [\d.]+ ms|\(\d+ \w+\))\s*$")
_START_OF_NEXT = re.compile(r"QUERY PLAN|duration: [\d.]+ ms +plan:")
_QUERY_TEXT = re.compile(r"^\s*Query Text:\s*(?P<text>.*)$")
_QUERY_PARAMETERS = re.compile(r"^\s*Query Parameters:\s*(?P<text>.*)$")


@dataclass(slots=True)
class Group:
    """The lines of one plan, beginning with its root's."""

    query_text: list[str] = field(default_factory=list)
    query_parameters: str | None = None
    lines: list[Line] = field(default_factory=list)
    ended: bool = False
    broken: bool = False
    """A blank line came last: what follows is no continuation."""


def groups_of(lines: Sequence[Line]) -> Iterator[Group]:
    """One group of whole lines for each plan; text before, between and after the plans is passed over."""
    group = Group()
    for line in lines:
        if group.lines and (_starts_next(line.text) or _is_root(line.text, group)):
            yield group
            group = Group()
        if group.lines:
            _add(group, line)
        else:
            _await_root(group, line)
    if group.lines:
        yield group


def _starts_next(text: str) -> bool:
    return bool(_START_OF_NEXT.search(text) or _QUERY_TEXT.match(text))


def _is_root(text: str, group: Group) -> bool:
    """Whether the line is the first node of a plan: one without an arrow."""
    # `Sort Key: …` begins like a node, too.
    if not NODE_NAME.match(text.lstrip()) or PROPERTY.match(text):
        return False
    if _FIGURES.search(text):
        return True
    # Without figures (COSTS OFF, or wrapped before them) it could be a query's text or a continuation.
    if group.lines:
        return group.ended and not TARGET.match(text)
    return not group.query_text


def _await_root(group: Group, line: Line) -> None:
    if _is_root(line.text, group) or (ARROW.match(line.text) and _FIGURES.search(line.text)):
        group.lines.append(line)
    elif match := _QUERY_TEXT.match(line.text):
        group.query_text = [match["text"]]
    elif match := _QUERY_PARAMETERS.match(line.text):
        group.query_parameters = match["text"]
    elif _FIGURES.search(line.text) and line.text.lstrip()[:1].isalpha() and "(cost=" in line.text:
        group.lines.append(line)
    elif group.query_text:
        group.query_text.append(line.text)


def _add(group: Group, line: Line) -> None:
    text = line.text
    if not text.strip():
        group.broken = True
    elif group.ended:
        return
    elif _END.match(text):
        group.lines.append(line)
        group.ended = True
    elif ARROW.match(text) or HEADER.match(text) or PROPERTY.match(text) or TARGET.match(text):
        group.lines.append(line)
        group.broken = False
    elif not group.broken:
        last = group.lines[-1]
        # An open quote: the line break belongs to a constant. Otherwise a terminal or a mailer wrapped the line.
        joint = "\n" if last.text.count("'") % 2 else ""
        group.lines[-1] = Line(last.number, last.text + joint + text)

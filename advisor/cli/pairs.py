"""Which format goes into which file."""

from collections.abc import Sequence

import click

from advisor.errors import UsageError

_ORDER = "advisor.order"


class PairedCommand(click.Command):
    """A command that remembers in which order --format and -o were given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, with the order kept for `given_order`."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[_ORDER] = tuple(p.name for p in order if p.name in ("formats", "outputs"))
        return super().parse_args(ctx, args)


def given_order(context: click.Context) -> tuple[str, ...]:
    """`formats` and `outputs` as often and in the order as they stood on the command line."""
    order: tuple[str, ...] = context.meta.get(_ORDER, ())
    return order


def pair(order: Sequence[str], formats: Sequence[str], files: Sequence[str]) -> tuple[tuple[str, str | None], ...]:
    """(format, file), None for stdout: the n-th format into the n-th file.

    Where one file less was given than formats, a file belongs to the format before it, else to the one after it.

    Raises:
        UsageError: more files than formats, more than one format for stdout, or one file for two formats.
    """
    formats = formats or ("text",)
    if len(files) > len(formats):
        raise UsageError("more -o FILE than --format", hint="Give a --format for each -o.")
    if len(formats) - len(files) > 1:
        raise UsageError("only one format can go to stdout", hint="Give an -o FILE for each of the others.")
    if len(set(files)) < len(files):
        raise UsageError("one file was given for two formats", hint="Give each --format an -o FILE of its own.")
    if len(files) == len(formats):
        return tuple(zip(formats, files, strict=True))
    alone = _without_file(order, len(formats))
    rest = iter(files)
    return tuple((kind, None if number == alone else next(rest)) for number, kind in enumerate(formats))


def _without_file(order: Sequence[str], formats: int) -> int:
    """The position of the format that has no file of its own; the last one where the order does not tell."""
    served: set[int] = set()
    seen = waiting = 0
    for flag in order:
        if flag == "formats":
            if waiting:
                waiting -= 1
                served.add(seen)
            seen += 1
        elif seen and seen - 1 not in served:
            served.add(seen - 1)
        else:
            waiting += 1
    return max((number for number in range(formats) if number not in served), default=formats - 1)

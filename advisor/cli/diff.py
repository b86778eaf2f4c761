"""`advisor diff`: what changed between two inputs."""

from pathlib import Path
from typing import Any, Literal

import click

from advisor.cli.options import option
from advisor.cli.output import Output, write_file
from advisor.cli.pairs import PairedCommand, given_order, pair
from advisor.cli.progress import progress
from advisor.errors import InputError, UsageError
from advisor.model.difference import Difference
from advisor.model.options import Options, Progress
from advisor.model.workload import Workload

FailOn = Literal["slower", "never"]


@click.command("diff", cls=PairedCommand)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--advice", metavar="REPORT", help="Did it help? What analyze --format json wrote for OLD.")
@click.option(
    "--format", "formats", type=click.Choice(["text", "json"]), multiple=True, help="Output format; default text."
)
@click.option("-o", "--output", "outputs", multiple=True, metavar="FILE", help="Write the format to FILE, in pairs.")
@click.option(
    "--min-calls",
    type=click.IntRange(2),
    metavar="N",
    default=30,
    show_default=True,
    help="Calls a query needs in each input to be compared.",
)
@click.option("--top", type=click.IntRange(1), metavar="N", help="Queries of each kind in the text.")
@option("--min-coverage", type=click.IntRange(0, 100), metavar="PERCENT", default=90, help="Of a log to understand.")
@option("--prefix", metavar="P", help="The logs' log_line_prefix, where it is not found out.")
@click.option(
    "--fail-on",
    type=click.Choice(["slower", "never"]),
    default="never",
    show_default=True,
    help="Exit 1 where a query, or everything, got slower.",
)
@option("-q", "--quiet", is_flag=True, help="No notices and no progress on stderr.")
def command(old: str, new: str, advice: str | None, **values: Any) -> int:
    """Say what got slower, faster, new or gone between two inputs.

    OLD and NEW are logs, digests or folders of them, such as from before and
    after a release. A query is told only where its change stands out from how
    much the hours of each input differ, and what all queries have in common is
    told once. Give at least several hours each, of the same times of the day.
    """
    from advisor.workload.advised import read_advice
    from advisor.workload.difference import compare

    if old == new == "-":
        raise UsageError("OLD and NEW cannot both be standard input", hint="Give a file for one of them.")
    pairs = pair(given_order(click.get_current_context()), values["formats"], values["outputs"])
    # Before anything is read, so that nobody waits for a file that cannot be written.
    Output(pairs=pairs)
    advised = read_advice(advice) if advice is not None else ()
    options = Options(prefix=values["prefix"], min_coverage=values["min_coverage"] / 100)
    with progress(values["quiet"]) as shown:
        before, after = _read(old, options, shown), _read(new, options, shown)
        found = compare(before, after, advice=advised, min_calls=values["min_calls"])
    if not values["quiet"]:
        for source in (*before.inputs, *after.inputs):
            click.echo(f"{source.name}: read as {source.format}", err=True)
    for kind, name in pairs:
        text = _rendered(found, kind, values["top"])
        if name is None:
            # JSON is UTF-8, whatever the terminal's own encoding is.
            click.echo(text if kind == "text" else text.encode(), nl=False)
        else:
            write_file(Path(name), text)
    return exit_code(found, values["fail_on"])


def exit_code(found: Difference, fail_on: FailOn) -> int:
    """1 where something that matters got slower and `fail_on` says so, else 0."""
    if fail_on == "never":
        return 0
    everything = found.common.time_changed and found.common.time is not None and found.common.time.value > 1
    slower = any(query.matters and {"slower", "slower_tail"} & set(query.changes) for query in found.queries)
    return int(everything or slower)


def _read(name: str, options: Options, shown: Progress) -> Workload:
    from advisor.workload.floor import refuse_little
    from advisor.workload.read import read_workload

    workload = read_workload([name], options, lambda done, total: shown(f"Reading {name}", done, total))
    refuse_little(workload.coverage, options.min_coverage, name)
    if not workload.queries:
        raise InputError(
            f"{name} has no statements", why=" ".join(workload.warnings), hint="There is nothing to compare."
        )
    return workload


def _rendered(found: Difference, kind: str, top: int | None) -> str:
    if kind == "json":
        from advisor.report import difference_json
        from advisor.version import version

        return difference_json.render(found, version())
    from advisor.report import difference_text

    return difference_text.render(found, top=top)

"""What `analyze`, `check` and `demo` have in common: run, write the report, give the exit code."""

from collections.abc import Callable
from typing import Any

import click

from advisor.cli.output import Output, exit_code
from advisor.cli.pairs import given_order, pair
from advisor.cli.progress import progress
from advisor.model.options import Progress
from advisor.model.report import Report
from advisor.report.printable import printable


def run_and_write(work: Callable[[Progress], Report], values: dict[str, Any]) -> int:
    """Runs `work` under a progress bar and writes its report; what a stopped run understood is written, too."""
    from advisor.api import Interrupted
    from advisor.workload.floor import not_understood

    pairs = pair(given_order(click.get_current_context()), values["formats"], values["outputs"])
    output = Output(pairs=pairs, top=values["top"], color=values["color"])
    try:
        with progress(values["quiet"]) as shown:
            report = work(shown)
    except Interrupted as stopped:
        output.write(stopped.report)
        raise stopped.__cause__ or KeyboardInterrupt() from None
    if not values["quiet"]:
        for source in report.workload.inputs:
            click.echo(f"{source.name}: read as {source.format}", err=True)
        if (lacking := not_understood(report.workload.coverage)) is not None:
            click.echo(printable(lacking), err=True)
    output.write(report)
    return exit_code(report, values["fail_on"])

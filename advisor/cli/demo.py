"""`advisor demo`: the main job on a bundled log and schema, no set-up."""

from contextlib import ExitStack
from importlib import resources
from typing import Any

import click

from advisor.cli.options import read_options, shared_options
from advisor.cli.pairs import PairedCommand
from advisor.cli.run import run_and_write


@click.command("demo", cls=PairedCommand)
@shared_options(default_fail_on="never")
def command(**values: Any) -> int:
    """Analyze a bundled web-shop log on the embedded PostgreSQL."""
    from advisor.api import analyze

    options = read_options(values)
    with ExitStack() as stack:
        folder = resources.files("advisor.demo")
        log, schema = (stack.enter_context(resources.as_file(folder / name)) for name in ("shop.log.gz", "shop.sql"))
        return run_and_write(
            lambda shown: analyze([str(log)], schema=str(schema), options=options, progress=shown), values
        )

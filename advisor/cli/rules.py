"""`advisor rules list`: every rule on a line."""

import click


@click.group("rules")
def command() -> None:
    """List the rules."""


@command.command("list")
def list_rules() -> int:
    """Print every rule: code, severity, name and what it is about."""
    from advisor.engine.registry import load_rules

    for rule in load_rules():
        off = "" if rule.enabled else "  (off by default)"
        click.echo(f"{rule.code}  {rule.severity:<7}  {rule.name}{off}\n    {rule.title}")
    return 0

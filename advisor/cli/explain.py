"""`advisor explain`: a rule's page."""

import click


@click.command("explain")
@click.argument("code")
def command(code: str) -> int:
    """Print a rule's page: IDX001 or missing-index."""
    from advisor.engine.registry import find_rule, load_rules

    rule = find_rule(load_rules(), code)
    click.echo(f"{rule.code} {rule.name} ({rule.severity})\n")
    click.echo(rule.page.strip())
    return 0

"""`tiebeam lifecycle`: who still calls what is going away."""

import click

from gateway import commands_lifecycle
from gateway.cli_options import CONFIG, explained, settings_of


@click.command()
@CONFIG
@click.option("--contract", help="Only this version, as process/billing_holds/v1.")
@click.option("--client", help="Only what this client uses.")
@click.option("--all", "everything", is_flag=True, help="Show what stays, too.")
def lifecycle(config: str | None, *, contract: str | None, client: str | None, everything: bool) -> None:
    """Show which versions end, and who still calls them.

    Single operations and fields that end are listed too. What ends first comes first; calls of the last few seconds may
    not be counted yet.
    """
    asked = commands_lifecycle.Asked(contract=contract, client_id=client, everything=everything)
    explained(lambda: click.echo(commands_lifecycle.show(settings_of(config), asked)))

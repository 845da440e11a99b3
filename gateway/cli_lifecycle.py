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
    """Show which versions go, and who still calls them.

    Operations and fields that go by themselves are among it. What ends first stands first; what running processes
    counted in the last seconds is missing.
    """
    asked = commands_lifecycle.Asked(contract=contract, client_id=client, everything=everything)
    explained(lambda: click.echo(commands_lifecycle.show(settings_of(config), asked)))

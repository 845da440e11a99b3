"""`tiebeam explain`, `policies` and `denials`: why a call is refused, and what to do about it."""

import sys
from pathlib import Path

import click

from gateway import commands_policies, commands_shadow
from gateway.cli_options import CONFIG, InOrder, explained, settings_of
from gateway.commands_tokens import Claims
from gateway.store.denials import DenialKind, NewDenial


@click.command()
@CONFIG
@click.argument("method")
@click.argument("target")
@click.option("--token", help="The access token of the call; - reads it from standard input.")
@click.option("--client", default="developer", show_default=True, help="Without a token: the client that calls.")
@click.option("--scope", "scopes", multiple=True, help="A scope of the client; may be repeated. Left out: all.")
@click.option("--legal-entity", "entities", multiple=True, help="An entity of the client; may be repeated.")
@click.option("--candidate", is_flag=True, help="Under the policies that are tried, instead of the files.")
def explain(  # noqa: PLR0913 - one argument an option
    config: str | None,
    *,
    method: str,
    target: str,
    token: str | None,
    client: str,
    scopes: tuple[str, ...],
    entities: tuple[str, ...],
    candidate: bool,
) -> None:
    """Say what the policy files do to a call, row by row.

    Ends with 1 where the call would be refused. Nothing is called. Example: tiebeam explain GET
    /process/status/v1/project-statuses/prj_1 --client crm
    """
    held = sys.stdin.read().strip() if token == "-" else token  # noqa: S105 - a dash is no token.
    claims = Claims(client=client, scopes=scopes, entities=entities)
    question = commands_policies.Question(method=method, target=target, token=held, claims=claims, tried=candidate)
    told = explained(lambda: commands_policies.explain(settings_of(config), question))
    click.echo("\n".join(commands_policies.lines_of(told)))
    if commands_policies.is_refused(told):
        sys.exit(1)


@click.group(cls=InOrder)
def policies() -> None:
    """Try policy files, load them, or go back."""


@policies.command("list")
@CONFIG
def list_policies(config: str | None) -> None:
    """List the sets of policies that were loaded, the newest first."""
    explained(lambda: click.echo(commands_policies.list_policy_sets(settings_of(config))))


@policies.command("reload")
@CONFIG
def reload_policies(config: str | None) -> None:
    """Put the policy files in force, all of them or none.

    Running processes follow with their next request. A row that does not fit is named, and nothing changes.
    """
    explained(lambda: click.echo(commands_policies.reload_policies(settings_of(config))))


@policies.command("rollback")
@CONFIG
def roll_back_policies(config: str | None) -> None:
    """Put the previous set in force again.

    The files stay as they are; a restart does not bring them back, a change does.
    """
    explained(lambda: click.echo(commands_policies.roll_back_policies(settings_of(config))))


@policies.command("shadow")
@CONFIG
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def shadow_policies(config: str | None, folder: Path) -> None:
    """Try the policy files of a folder, as a candidate.

    From their next request on, running processes decide every call by them too, and only count how its answer would
    differ. Another folder takes the place of the one before. Then: tiebeam policies differences
    """
    explained(lambda: click.echo(commands_shadow.shadow_policies(settings_of(config), folder)))


@policies.command("differences")
@CONFIG
@click.option("--client", "client_id", help="Only those of this client.")
def list_differences(config: str | None, client_id: str | None) -> None:
    """Show which calls the candidate would answer differently.

    One table for each client, counted since the candidate was loaded, and how many of all calls these are.
    """
    explained(lambda: click.echo(commands_shadow.list_differences(settings_of(config), client_id)))


@policies.command("promote")
@CONFIG
def promote_policies(config: str | None) -> None:
    """Put the candidate in force.

    All of it or none; `tiebeam policies rollback` takes it back.
    """
    explained(lambda: click.echo(commands_shadow.promote_policies(settings_of(config))))


@policies.command("drop")
@CONFIG
def drop_policies(config: str | None) -> None:
    """Stop trying the candidate.

    What was counted can still be looked up through the API.
    """
    explained(lambda: click.echo(commands_shadow.drop_policies(settings_of(config))))


@click.group(cls=InOrder)
def denials() -> None:
    """Withdraw tokens and clients, and accept them again."""


@denials.command("list")
@CONFIG
def list_denials(config: str | None) -> None:
    """List what is withdrawn, the newest first."""
    explained(lambda: click.echo(commands_policies.list_denials(settings_of(config))))


@denials.command("add")
@CONFIG
@click.argument("kind", type=click.Choice([kind.value for kind in DenialKind]))
@click.argument("name")
@click.option("--reason", required=True, help="Why, for whoever lifts it.")
@click.option("--issuer", default="", help="The exact `iss`; left out, whoever vouches for it.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="How long; left out, until it is removed.")
def add_denial(  # One argument an option.
    config: str | None, *, kind: str, name: str, reason: str, issuer: str, hours: float | None
) -> None:
    """Withdraw a token by its `jti`, or a client.

    It holds in every process from its next request on.
    """
    new = NewDenial(kind=DenialKind(kind), name=name, issuer=issuer, reason=reason)
    explained(lambda: click.echo(commands_policies.add_denial(settings_of(config), new, hours)))


@denials.command("remove")
@CONFIG
@click.argument("denial_id")
def remove_denial(config: str | None, denial_id: str) -> None:
    """Accept the token or client again."""
    explained(lambda: click.echo(commands_policies.remove_denial(settings_of(config), denial_id)))

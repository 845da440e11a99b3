"""`tiebeam`: what an operator types. Each command reads the settings, does one thing, and says what to do next."""

import shutil
import sys
from pathlib import Path

import click

from gateway import commands, commands_audit, examination
from gateway import settings as config
from gateway.cli_backup import backup, restore
from gateway.cli_contracts import diff, freeze, lint
from gateway.cli_lifecycle import lifecycle
from gateway.cli_options import CONFIG, ENDS, InOrder, explained, settings_of
from gateway.cli_policies import denials, explain, policies
from gateway.cli_work_items import work_items
from gateway.commands_tokens import Claims, development_token
from gateway.shipped import shipped


@click.group(cls=InOrder, epilog=ENDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tiebeam")
def main() -> None:
    """The API gateway between CRM, PSA and ERP.

    Begin with `tiebeam init DIR`, enter your connections, then `tiebeam check --connections` and `tiebeam serve`.
    """


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Write commented settings into a folder.

    With them come policies, mappings and a project template. Enter your connections in tiebeam.yaml.
    """
    target = folder / config.DEFAULT_FILE
    if target.exists():
        raise click.ClickException(f"{target} exists. Choose another folder, or change what is there.")
    shutil.copytree(shipped("sample"), folder, dirs_exist_ok=True)
    shutil.copytree(shipped("policies"), folder / "policies", dirs_exist_ok=True)
    click.echo(
        f"Wrote {target}, ownership.yaml, policies/, mappings/ and templates/. Enter your connections, then: "
        f"tiebeam check --config {target}"
    )


@main.command()
@CONFIG
def migrate(config: str | None) -> None:
    """Bring the database up to this release.

    The workflow engine's tables are included. `tiebeam serve` does it by itself where the database is SQLite.
    """
    explained(lambda: click.echo(commands.migrate(settings_of(config))))


@main.command()
@CONFIG
@click.option("--no-worker", is_flag=True, help="Serve requests only; run `tiebeam worker` beside it.")
def serve(config: str | None, *, no_worker: bool) -> None:
    """Serve the APIs, and run a worker beside them.

    The worker is started again when it dies. The documentation is at /docs.
    """
    settings = settings_of(config)
    explained(lambda: commands.serve(settings, with_worker=not no_worker))


@main.command()
@CONFIG
def worker(config: str | None) -> None:
    """Carry out the processes that were accepted.

    Their retries and schedules are its work too. On PostgreSQL start as many as you like, on several machines: they
    share the work, and take over what a dead one leaves. An SQLite database has one; a second is refused.
    """
    settings = settings_of(config)
    explained(lambda: commands.work(settings))


@main.command()
@CONFIG
@click.option("--connections", is_flag=True, help="Also ask each connected system for what we need of it.")
@click.option("--chains", is_flag=True, help="Also follow the hash chains of events and audit, row by row.")
def check(config: str | None, *, connections: bool, chains: bool) -> None:
    """Say what is wrong with the installation, and how to mend it.

    Looks at settings, policies, templates and contracts; with --connections also at the systems themselves. Exits with
    1 where something is wrong.
    """
    findings = examination.check(settings_of(config), connections=connections, chains=chains)
    for finding in findings:
        click.echo(f"{click.style('ok  ', fg='green') if finding.holds else click.style('FAIL', fg='red')}  ", nl=False)
        click.echo(f"{finding.subject}: {finding.detail}")
        if not finding.holds and finding.mend:
            click.echo(f"      → {finding.mend}")
    if not all(finding.holds for finding in findings):
        sys.exit(1)


@main.command()
@CONFIG
@click.argument("operation", required=False)
def plan(config: str | None, operation: str | None) -> None:
    """Print what the policies do for each operation.

    With OPERATION, only for those whose name contains it, such as create_customer or process/status.
    """
    explained(lambda: click.echo(commands.plans(settings_of(config), operation)))


main.add_command(explain)


@main.command()
@CONFIG
@click.option("--client", default="developer", show_default=True, help="The client id.")
@click.option("--scope", "scopes", multiple=True, help="A scope; may be repeated. Left out: all there are.")
@click.option("--legal-entity", "entities", multiple=True, help="An entity; may be repeated. Left out: all.")
@click.option("--customer", "customers", multiple=True, help="Limit the token to a customer; may be repeated.")
@click.option("--project", "projects", multiple=True, help="Limit the token to a project; may be repeated.")
@click.option("--minutes", type=click.IntRange(1, 1440), default=60, show_default=True, help="How long it is accepted.")
def token(  # One argument an option.
    config: str | None,
    *,
    client: str,
    scopes: tuple[str, ...],
    entities: tuple[str, ...],
    customers: tuple[str, ...],
    projects: tuple[str, ...],
    minutes: int,
) -> None:
    """Sign an access token for development.

    The key lies in the data directory; production settings refuse its issuer.
    """
    claims = Claims(client=client, scopes=scopes, entities=entities, customers=customers, projects=projects)
    explained(lambda: click.echo(development_token(settings_of(config), claims, minutes * 60)))


main.add_command(work_items)


@main.group("audit", cls=InOrder)
def audit() -> None:
    """Seal and verify the audit of writes and refusals."""


@audit.command("seal")
@CONFIG
def seal_audit(config: str | None) -> None:
    """Seal the rows of the audit since the last seal.

    A worker does it each minute. Note the hash elsewhere, such as before a backup: it proves all that came before.
    """
    explained(lambda: click.echo(commands_audit.seal_audit(settings_of(config))))


@audit.command("verify")
@CONFIG
def verify_audit(config: str | None) -> None:
    """Check every seal and every row, and name the first broken one.

    Ends with 1 where there is one. It may run while the gateway works.
    """
    settings = settings_of(config)
    found = explained(lambda: commands_audit.verify_audit(settings, lambda line: click.echo(line, err=True)))
    click.echo("\n".join([*commands_audit.said_of(found), *commands_audit.restored(settings)]))
    if found.faults:
        sys.exit(1)


main.add_command(backup)
main.add_command(restore)
main.add_command(policies)
main.add_command(denials)
main.add_command(lifecycle)
main.add_command(diff)
main.add_command(lint)
main.add_command(freeze)


if __name__ == "__main__":
    main(prog_name="tiebeam")

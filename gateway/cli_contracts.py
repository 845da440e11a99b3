"""`tiebeam diff`, `lint` and `freeze`: that contracts keep what callers rely on, and follow our rules."""

import sys
from datetime import UTC, datetime

import click

from gateway import commands_contracts
from gateway.cli_options import explained


@click.command()
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option("--markdown", is_flag=True, help="Print Markdown; of one contract alone, its whole changelog.")
@click.option("--words", is_flag=True, help="Name each description and example that reads differently.")
def diff(old: str | None, new: str | None, *, markdown: bool, words: bool) -> None:
    """Say what changed in contracts, and what breaks callers.

    A contract is process/status/v1 as it stands, process/status/v1@1.0.0 as it was released, or a file. With one alone:
    since its newest release; with none: every contract. Ends with 1 where something breaks.
    """
    if old and not new and markdown:
        explained(lambda: click.echo("\n".join(commands_contracts.markdown_of_changelog(old))))
        return
    found = explained(lambda: _differences(old, new))
    for each in found:
        told = (
            commands_contracts.markdown_of_difference(each)
            if markdown
            else commands_contracts.lines_of(each, everything=words)
        )
        click.echo("\n".join(told))
    if not found:
        click.echo("Nothing of it is released yet.")
    if commands_contracts.is_breaking(found):
        sys.exit(1)


def _differences(old: str | None, new: str | None) -> list[commands_contracts.Difference]:
    if old and new:
        return [commands_contracts.difference(old, new)]
    if old:
        return commands_contracts.since_last_release(old)
    return commands_contracts.all_since_release()


@click.command()
@click.argument("paths", nargs=-1, metavar="[CONTRACT …]")
def lint(paths: tuple[str, ...]) -> None:
    """Say where contracts break our rules, and how to mend it.

    CONTRACT is a contract such as process/status/v1, or a file; left out, all are looked at. Ends with 1 where one
    breaks a rule. What a contract leaves aside stands in it, with the reason: x-lint-allow.
    """
    findings = explained(lambda: commands_contracts.lint(paths))
    if findings:
        click.echo("\n".join(commands_contracts.lines_of_findings(findings)))
        sys.exit(1)
    click.echo("Every rule is kept.")


@click.command()
@click.argument("contracts", nargs=-1, metavar="[CONTRACT …]")
def freeze(contracts: tuple[str, ...]) -> None:
    """Release contracts, so that no change breaks callers.

    Writes openapi/released and the digests in openapi/lifecycle.yaml, in a checkout of the source; commit both. Without
    CONTRACT, all. Ends with the first that would break callers of its last release, or needs another info.version.
    """

    def frozen() -> None:
        for line in commands_contracts.freeze_all(contracts, datetime.now(UTC).date()):
            click.echo(line)

    explained(frozen)

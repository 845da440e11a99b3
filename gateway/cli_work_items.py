"""`tiebeam work-items`: what waits for somebody, who has it, and going on."""

import click

from gateway.cli_options import CONFIG, InOrder, explained, settings_of
from gateway.commands_work_items import assign_work_item, list_work_items, resume_work_item, show_work_item


@click.group("work-items", cls=InOrder)
def work_items() -> None:
    """List, show, assign and resume what waits for somebody."""


@work_items.command("list")
@CONFIG
@click.option("--owner", help="Only the items of this queue, such as 'Finance Ops'.")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
def list_items(config: str | None, *, owner: str | None, everything: bool) -> None:
    """List the work items, the newest first."""
    explained(lambda: click.echo(list_work_items(settings_of(config), owner=owner, everything=everything)))


@work_items.command("show")
@CONFIG
@click.argument("work_item_id")
def show_item(config: str | None, work_item_id: str) -> None:
    """Show an item with all that helps to decide."""
    explained(lambda: click.echo(show_work_item(settings_of(config), work_item_id)))


@work_items.command("assign")
@CONFIG
@click.argument("work_item_id")
@click.argument("assignee")
def assign_item(config: str | None, work_item_id: str, assignee: str) -> None:
    """Say who works an item."""
    explained(lambda: click.echo(assign_work_item(settings_of(config), work_item_id, assignee)))


@work_items.command("resume")
@CONFIG
@click.argument("work_item_id")
@click.option(
    "--decision",
    default="{}",
    show_default=True,
    help="The decision as JSON; the process's `resume` operation has its fields.",
)
def resume_item(config: str | None, work_item_id: str, decision: str) -> None:
    """Let the process go on from where it is parked."""
    explained(lambda: click.echo(resume_work_item(settings_of(config), work_item_id, decision)))

"""Redmine's time entries and wiki pages, as Redmine writes them; what nobody here reads is left out.

https://www.redmine.org/projects/redmine/wiki/Rest_TimeEntries
"""

from datetime import date
from decimal import Decimal

from msgspec import Struct

from openapi.instant import datetime
from system_apis.connectors.redmine.wire import CustomValue, Named, NewValue, Numbered


class TimeEntry(Struct, frozen=True, kw_only=True):
    """Hours are a binary number there, rounded to two decimals; the issue is told by its number alone."""

    id: int
    project: Named
    user: Named
    issue: Numbered | None = None
    hours: Decimal
    comments: str | None = None
    spent_on: date
    updated_on: datetime
    custom_fields: list[CustomValue] = []


class OneTimeEntry(Struct, frozen=True, kw_only=True):
    """`/time_entries/1.json`."""

    time_entry: TimeEntry


class TimeEntries(Struct, frozen=True, kw_only=True):
    """`/time_entries.json`."""

    time_entries: list[TimeEntry]
    total_count: int


class TimeEntryFields(Struct, frozen=True, kw_only=True):
    """What is changed of a time entry."""

    custom_fields: list[NewValue]


class WikiPage(Struct, frozen=True, kw_only=True):
    """A page of a project's wiki; its title has no blanks."""

    title: str
    text: str


class OneWikiPage(Struct, frozen=True, kw_only=True):
    """`/projects/1/wiki/Title.json`."""

    wiki_page: WikiPage


class WikiPageFields(Struct, frozen=True, kw_only=True):
    """What a page says."""

    text: str

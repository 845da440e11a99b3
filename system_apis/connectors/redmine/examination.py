"""What a connection needs from its Redmine, looked at one by one, and how to mend what is not so."""

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.errors import ApiError
from system_apis.connectors.redmine import mapping, wire
from system_apis.connectors.redmine.client import RedmineClient
from system_apis.connectors.redmine.settings import Settings
from system_apis.ports import Finding

WHERE: Final = {"project": "Projects", "issue": "Issues", "version": "Versions", "time_entry": "Spent time"}
"""What Redmine's pages call them."""
ACCESS: Final = "In Administration, Settings, API: enable the REST web service. The key stands at `My account`."


async def examined(client: RedmineClient, settings: Settings) -> list[Finding]:
    """Return what was found; where the key opens nothing, there is nothing more to ask."""
    try:
        user = await client.current_user()
    except ApiError as error:
        return [Finding(subject="access", holds=False, detail=error.detail, mend=ACCESS)]
    findings = [
        Finding(subject="access", holds=True, detail=f"The key is {user.login}'s."),
        _finding("administrator", holds=user.admin, mend=f"Make {user.login} an administrator."),
    ]
    if not user.admin:
        return findings  # The rest is shown to administrators only.
    return [*findings, *await _of_names(client, settings)]


async def _of_names(client: RedmineClient, settings: Settings) -> list[Finding]:
    there = {(field.customized_type or "", field.name): field for field in await client.custom_fields()}
    roles = {role.name for role in await client.roles()}
    trackers = {tracker.name for tracker in await client.trackers()}
    return [
        *_of_fields(there, settings.tracker),
        *_of_approval(there.get(("time_entry", mapping.APPROVAL)), settings),
        _finding(
            f"role {settings.manager_role}",
            holds=settings.manager_role in roles,
            mend="Make the role, or name another one as `manager_role`.",
        ),
        _finding(
            f"tracker {settings.tracker}",
            holds=settings.tracker in trackers,
            mend="Make the tracker, or name another one as `tracker`.",
        ),
    ]


def _of_fields(there: Mapping[tuple[str, str], wire.CustomField], tracker: str) -> Iterator[Finding]:
    for of, names in mapping.FIELDS.items():
        for name in names:
            subject, field = f"custom field {name} of {mapping.PLURALS[of]}", there.get((of, name))
            if field is None:
                yield _finding(subject, holds=False, mend=f"Make it, in Administration, Custom fields, {WHERE[of]}.")
                continue
            is_filter = field.is_filter or (of, name) not in mapping.FILTERS
            is_tracked = of != "issue" or any(one.name == tracker for one in field.trackers)
            mend = "Mark it as used as a filter." if not is_filter else f"Check {tracker} and `For all projects` in it."
            yield _finding(subject, holds=is_filter and is_tracked, mend=mend)


def _of_approval(field: wire.CustomField | None, settings: Settings) -> Iterator[Finding]:
    """Yield whether approval means something: a value that everybody sees, everybody sets."""
    if field is None:
        return
    restricted = f"Make {field.name} visible to the roles that approve only: whoever sees it may set it."
    yield _finding("approval by roles", holds=not field.visible, mend=restricted)
    strange = [each.value for each in field.possible_values if each.value not in settings.approvals]
    mend = f"Say in the connection's `approvals` what these values mean: {', '.join(strange)}."
    yield _finding("approval values", holds=not strange, mend=mend)


def _finding(subject: str, *, holds: bool, mend: str) -> Finding:
    return Finding(
        subject=subject, holds=holds, detail="As needed." if holds else "Not as needed.", mend="" if holds else mend
    )

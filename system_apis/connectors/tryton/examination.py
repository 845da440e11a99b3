"""What `tiebeam check --connections` looks at on every connection; each family adds its own checks."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from gateway.errors import ApiError, Unavailable
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.settings import Settings
from system_apis.ports import Finding

Check = Callable[[], Awaitable[Finding]]
SERIES: Final = "8."
"""The path of the interface, and fields that we read, are those of Tryton 8."""


async def examined(checks: Mapping[str, Check]) -> list[Finding]:
    """Return a finding of each check; one that fails is a finding too. A system that is away is asked no further."""
    findings = []
    for subject, check in checks.items():
        try:
            findings.append(await check())
        except ApiError as error:
            mend = "Compare base_url, database, user and password of the connection with Tryton's, and its groups."
            findings.append(Finding(subject=subject, holds=False, detail=error.detail, mend=mend))
            if isinstance(error, Unavailable):
                break
    return findings


def found(subject: str, detail: str, *, lacks: Sequence[str], mend: str) -> Finding:
    """Return that all is there, or what is missing and how to mend it."""
    if not lacks:
        return Finding(subject=subject, holds=True, detail=detail)
    return Finding(subject=subject, holds=False, detail=f"Missing: {', '.join(lacks)}.", mend=mend)


def environment(settings: Settings, kind: str) -> Finding:
    """Return whether the way to the server is fit for the environment."""
    detail = f"Database {settings.database} at {settings.base_url}, used as {kind}."
    lacks = ["https"] if kind == "production" and not settings.base_url.startswith("https:") else []
    return found("environment", detail, lacks=lacks, mend="In production give base_url of a server with TLS.")


async def server(client: TrytonClient) -> Finding:
    """Return whether the server is of the series that we speak with, and takes the user."""
    version = await client.server_version()
    await client.companies()  # It takes a log-in to know them.
    lacks = [] if version.startswith(SERIES) else [f"Tryton {SERIES}x, this one is {version}"]
    return found("server", f"Tryton {version} answers, and takes the user.", lacks=lacks, mend="Upgrade the server.")


async def companies(client: TrytonClient, settings: Settings) -> Finding:
    """Return whether the user may work for the companies of the connection."""
    allowed = await client.companies()
    lacks = [
        f"{entity} as company {company}" for entity, company in settings.companies.items() if company not in allowed
    ]
    detail = ", ".join(f"{entity} is company {company}" for entity, company in settings.companies.items()) + "."
    mend = f"Make it the company of the user {settings.user}; give it several with the company filter All."
    return found("companies", detail, lacks=lacks, mend=mend)


async def rights(client: TrytonClient, needed: Mapping[str, Sequence[str]], groups: Sequence[str]) -> Finding:
    """Return whether the user may do what the port does."""
    given = await client.rights(list(needed))
    lacks = [f"{right} {model}" for model, each in needed.items() for right in each if not getattr(given[model], right)]
    mend = f"Give the gateway's user these groups in Tryton: {', '.join(groups)}."
    return found("rights", "The user may read and write what it has to.", lacks=lacks, mend=mend)

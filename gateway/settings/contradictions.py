"""What is well formed and still cannot be meant: names of nothing, environments that do not mix, unusable issuers."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from gateway.settings.sections import Issuer, Releases, Settings

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
WHOLE: Final = 100
VISIBLE: Final = re.compile(r"[\x21-\x7e]+\Z").match


def contradictions(settings: Settings) -> list[str]:
    """Return what is well formed and still cannot be meant."""
    found = [
        f"http.trusted_proxies: {each} is no network." for each in settings.http.trusted_proxies if not _network(each)
    ]
    for code, entity in settings.entities.items():
        for family, name in (("erp", entity.erp), ("psa", entity.psa)):
            connection = settings.connections.get(name)
            if connection is None:
                found.append(f"entities.{code}.{family}: there is no connection {name}.")
            elif connection.family != family:
                found.append(f"entities.{code}.{family}: {name} is of the family {connection.family}.")
            elif code not in connection.legal_entities:
                found.append(f"entities.{code}.{family}: {name} does not list {code} in its legal_entities.")
    found += _release_mistakes(settings.releases)
    for name, connection in settings.connections.items():
        if connection.environment != settings.environment:
            found.append(f"connections.{name}: {connection.environment} does not mix with {settings.environment}.")
        if connection.owner not in settings.owners:
            found.append(f"connections.{name}.owner: {connection.owner} is not one of the owners.")
        found += [
            f"connections.{name}.legal_entities: there is no entity {code}."
            for code in connection.legal_entities
            if code not in settings.entities
        ]
    for number, issuer in enumerate(settings.issuers):
        found += [f"issuers.{number}{mistake}" for mistake in _issuer_mistakes(issuer, settings.environment)]
    return found


def _release_mistakes(releases: Releases) -> Iterator[str]:
    if 0 < releases.unusual_percent < WHOLE:
        yield "releases.unusual_percent: what is less than the average is not unusual; write 100 or more, or 0."
    if releases.unusual_after > releases.trailing:
        yield "releases.unusual_after: so many invoices are never looked at; trailing says how many are."


def _issuer_mistakes(issuer: Issuer, environment: str) -> Iterator[str]:
    if issuer.development and environment == "production":
        yield f": {issuer.issuer} is for development; production refuses it."
    if (issuer.jwks_file is None) == (issuer.jwks_url is None):
        yield f": {issuer.issuer} needs jwks_file or jwks_url, one of them."
    if issuer.keys.fresh_at_least_s > issuer.keys.fresh_at_most_s:
        yield ".keys: fresh_at_least_s is more than fresh_at_most_s."
    if issuer.jwks_url is not None and not _may_fetch(issuer.jwks_url, environment):
        yield ".jwks_url: write https://host/path, without a user or fragment; http is for this machine, in a sandbox."


def _may_fetch(url: str, environment: str) -> bool:
    """Tell whether keys may come from there: what is read on the way can be replaced on the way."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and "@" not in parts.netloc and "#" not in url and parts.port != 0
    except ValueError:
        return False
    if not usable or not VISIBLE(url):
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and parts.hostname in LOOPBACK and environment != "production"
    )


def _network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True

"""One version of an API: what it is for, how long it lives, what changed, what it refuses with; and a place to try."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from html import escape
from typing import Final

from gateway.contract import Api, released
from gateway.lifecycle import Version
from gateway.lifecycle.addresses import base_of
from gateway.portal import history, lives
from gateway.portal.html import link, page, text
from gateway.portal.pages import problem_table
from gateway.portal.reference import title_of
from gateway.portal.shown import Contract
from gateway.problems import Entry, catalogue
from openapi.common.types import Code

SECTIONS: Final = {
    "lifecycle": "Lifecycle",
    "changelog": "Changelog and differences",
    "problems": "Problems",
    "try": "Reference",
}
SCRIPTS: Final = ("portal.js", "try.js")


def show(contract: Contract, version: Version, now: datetime) -> str:
    """Return the page."""
    api = contract.api
    title = f"{title_of(api)} {api.contract.rpartition('/')[2]}"
    nav = "".join(f"<li>{link(f'#{place}', name)}</li>" for place, name in SECTIONS.items())
    body = f"""{lives.banner(version, now, api.connection)}
<h1>{escape(title)} {lives.badge(version, now)}</h1>
<p>{text(str(api.document.info.get("description", "")))}</p>
<p><code>{escape(api.base)}</code>, version {escape(str(api.document.info["version"]))},
{link(f"/openapi/{api.document.file}", "the contract as written")}</p>
<nav aria-label="On this page"><ul class="links">{nav}</ul></nav>
{lives.section(api.contract, version, now, api.connection)}
{_history(api.contract, version.successor, api.connection)}
<h2 id="problems">Problems</h2>
<p>What its operations are refused with, besides what any call may be (<a href="/problems">the whole list</a>).</p>
{problem_table(_problems(api))}
<h2 id="try">Reference</h2>
<p>Paste an access token, open an operation and execute it. For programs, the same is
{link(contract_path(api), "one OpenAPI document")}.</p>
{contract.shown(version, now).html}"""
    return page(title, body, scripts=SCRIPTS)


def contract_path(api: Api) -> str:
    """Return where the reference finds the contract, as one document with the right server."""
    return f"/docs{api.base}/openapi.json"


@cache
def _history(contract: str, successor: str | None, connection: str | None) -> str:
    """Return what changed. Contracts do not change while a process runs, so it is found out once."""
    to = f"/docs{base_of(successor, connection)}" if successor else ""
    return history.section(released.changelog(contract), _next(successor), to)


def _next(successor: str | None) -> released.Entry | None:
    return released.changelog(successor)[-1] if successor else None


def _problems(api: Api) -> Mapping[Code, Entry]:
    own = {code for operation in api.operations for code in operation.problems}
    return {code: entry for code, entry in catalogue().items() if code in own}

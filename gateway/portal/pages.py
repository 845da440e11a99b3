"""The start of the documentation, and the pages of problems."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from itertools import groupby
from typing import Final

from gateway.contract import Api, Operation
from gateway.lifecycle import Version
from gateway.portal import lives
from gateway.portal.html import facts, link, page, table, text
from gateway.portal.reference import title_of
from gateway.problems import Entry
from openapi.common.types import Code

FAMILIES: Final = {
    "process": ("Processes", "What runs across systems: start one, follow it, decide where it waits."),
    "system": ("Systems", "Each connected system in one form, whoever its vendor is."),
    "platform": ("Platform", "The gateway's own administration."),
}
"""Headings by the first part of a contract, in the order of the page."""

INTRODUCTION: Final = """
<h1>APIs</h1>
<p>One gateway between the CRM where work is sold, the PSA where it is delivered and the ERP where it is billed. What
moves money happens once, or says that it does not know yet.</p>
<h2>Your first call</h2>
<ol>
<li>Get an access token from your identity provider, with this gateway as its audience. The
<a href="/.well-known/oauth-protected-resource">metadata</a> names the providers and the scopes; on your own machine
<code>tiebeam token</code> prints one.</li>
<li>Ask for something:
<pre tabindex="0"><code>curl -H "Authorization: Bearer $TOKEN" \\
     $GATEWAY/process/status/v1/project-statuses</code></pre></li>
<li>Or try it here: open an API below, paste the token, execute an operation.</li>
</ol>
<p>Every refusal is a problem (RFC 9457) with a code; the <a href="/problems">list of problems</a> says what to do about
each. Programs find all of this in <a href="/.well-known/api-catalog">the API catalogue</a>.</p>
<form class="filter" role="search" hidden>
  <label for="filter">Find an operation</label>
  <input id="filter" type="search" autocomplete="off">
  <p role="status" aria-live="polite"></p>
</form>
"""


def index(apis: Sequence[Api], versions: Mapping[str, Version], now: datetime) -> str:
    """Return the page on which a developer starts: every API, its versions beside each other."""
    sections = []
    for family, (heading, sentence) in FAMILIES.items():
        own = sorted((api for api in apis if api.contract.startswith(f"{family}/")), key=_by_api)
        cards = [_card(list(mounted), versions, now) for _, mounted in groupby(own, _api)]
        if cards:
            sections.append(f'<h2>{heading}</h2><p class="quiet">{sentence}</p>{"".join(cards)}')
    return page("APIs", INTRODUCTION + "".join(sections))


def problems(catalogue: Mapping[Code, Entry]) -> str:
    """Return the list of every code."""
    return page("Problems", f"<h1>Problems</h1>{problem_table(catalogue)}")


def problem_table(catalogue: Mapping[Code, Entry]) -> str:
    """Return codes with what a caller does about each."""
    rows = (
        (
            f'<a href="/problems/{code}"><code>{code}</code></a>',
            str(entry.status),
            escape(entry.title),
            text(entry.caller),
        )
        for code, entry in catalogue.items()
    )
    return table("Problems", ("Code", "Status", "Title", "What you can do"), rows)


def problem(code: Code, entry: Entry) -> str:
    """Return what one code means, and what the caller can do."""
    told = {
        "Code": f"<code>{code}</code>",
        "Status": str(entry.status),
        "What you can do": text(entry.caller),
        "Again, unchanged": "It can succeed later." if entry.retryable else "Mend its cause first.",
        "In the other system": "It may have happened." if entry.outcome == "uncertain" else "Nothing happened.",
        "Who looks at it": escape(entry.owner) if entry.owner else "Nobody has to.",
    }
    return page(entry.title, f"<h1>{escape(entry.title)}</h1>{facts(told)}")


def _api(api: Api) -> tuple[str, str]:
    return api.contract.rpartition("/")[0], api.connection or ""


def _by_api(api: Api) -> tuple[tuple[str, str], int]:
    return _api(api), -int(api.contract.rpartition("/v")[2])


def _card(mounted: Sequence[Api], versions: Mapping[str, Version], now: datetime) -> str:
    newest = mounted[0]
    return f"""<section class="card" aria-label="{escape(title_of(newest))}">
<h3>{escape(title_of(newest))}</h3>
<p>{text(str(newest.document.info.get("description", "")))}</p>
<ul class="versions">{"".join(_version(api, versions[api.contract], now) for api in mounted)}</ul>
{"".join(map(_operations, mounted))}
</section>
"""


def _version(api: Api, version: Version, now: datetime) -> str:
    left = lives.countdown(version, now)
    links = [
        link(f"/docs{api.base}", f"version {api.document.info['version']}"),
        lives.badge(version, now),
        f"<code>{escape(api.base)}</code>",
        link(f"/openapi/{api.document.file}", "contract as written"),
        f'<span class="quiet">owner: {escape(version.owner)}, {escape(version.contact)}</span>',
    ]
    return f"<li>{' '.join([*links, f'{left} left'] if left else links)}</li>"


def _operations(api: Api) -> str:
    number = api.contract.rpartition("/")[2]
    rows = map(_operation, api.operations)
    listed = table(f"Operations of {title_of(api)} {number}", ("Call", "Address", "What for"), rows)
    return f"<details><summary>{len(api.operations)} operations of {escape(number)}</summary>{listed}</details>"


def _operation(operation: Operation) -> tuple[str, str, str]:
    return f"<code>{operation.method}</code>", f"<code>{escape(operation.path)}</code>", escape(operation.summary)

"""The portal's pages as HTML. Whatever comes from a contract or the catalogue is escaped here."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape

from gateway.contract import Api, Operation
from gateway.lifecycle import Version, stage_of
from gateway.portal.reference import title_of
from gateway.problems import Entry
from openapi.common.types import Code

FAMILIES = {
    "process": ("Processes", "What runs across systems: start one, follow it, decide where it waits."),
    "system": ("Systems", "Each connected system in one form, whoever its vendor is."),
    "platform": ("Platform", "The gateway's own administration."),
}
"""Headings by the first part of a contract, in the order of the page."""

INTRODUCTION = """
<h1>APIs</h1>
<p>Open a reference, choose <em>Authorize</em>, paste an access token, and try any operation from there. Each operation
says which scopes it needs. Every refusal names a code; the <a href="/problems">list of problems</a> explains them.</p>
"""

_CODE = re.compile(r"`([^`]+)`")


def index(apis: Sequence[Api], versions: Mapping[str, Version]) -> str:
    """Return the list of all APIs, each mount and version of them."""
    sections = []
    for family, (heading, sentence) in FAMILIES.items():
        cards = [_card(api, versions[api.contract]) for api in apis if api.contract.startswith(f"{family}/")]
        if cards:
            sections.append(f'<h2>{heading}</h2><p class="quiet">{sentence}</p>{"".join(cards)}')
    return _page("APIs", INTRODUCTION + "".join(sections))


def reference(api: Api) -> str:
    """Return the page that shows one API's reference, to be read and tried."""
    body = f"""<div id="reference" data-contract="{escape(contract_path(api))}"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/reference.js"></script>"""
    return _page(title_of(api), body, styles=("swagger-ui.css",), wide=True)


def problems(catalogue: Mapping[Code, Entry]) -> str:
    """Return the list of every code."""
    rows = "".join(
        f'<tr><td><a href="/problems/{code}"><code>{code}</code></a></td>'
        f"<td>{entry.status}</td><td>{escape(entry.title)}</td></tr>"
        for code, entry in catalogue.items()
    )
    return _page(
        "Problems", f"<h1>Problems</h1><table><tr><th>Code</th><th>Status</th><th>Title</th></tr>{rows}</table>"
    )


def problem(code: Code, entry: Entry) -> str:
    """Return what one code means, and what the caller can do."""
    facts = {
        "Code": f"<code>{code}</code>",
        "Status": str(entry.status),
        "What you can do": _text(entry.caller),
        "Again, unchanged": "It can succeed later." if entry.retryable else "Mend its cause first.",
        "In the other system": "It may have happened." if entry.outcome == "uncertain" else "Nothing happened.",
        "Who looks at it": escape(entry.owner) if entry.owner else "Nobody has to.",
    }
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    return _page(entry.title, f"<h1>{escape(entry.title)}</h1><dl>{listed}</dl>")


def contract_path(api: Api) -> str:
    """Return where the reference finds the contract, as one document with the right server."""
    return f"/docs{api.base}/openapi.json"


def _card(api: Api, version: Version) -> str:
    info = api.document.info
    links = {"Reference, to try": f"/docs{api.base}", "Contract as written": f"/openapi/{api.document.file}"}
    if version.successor:
        links["Its successor"] = f"/openapi/{version.successor}.yaml"
    listed = "".join(f'<li><a href="{escape(to)}">{name}</a></li>' for name, to in links.items())
    return f"""<section class="card">
<header>
  <h3>{escape(title_of(api))}</h3>
  <span class="quiet">version {escape(str(info["version"]))}</span>
  {_status(version)}
  <span class="quiet">owner: {escape(version.owner)}</span>
</header>
<p>{_text(str(info.get("description", "")))}</p>
<p><code>{escape(api.base)}</code></p>
<ul class="links">{listed}</ul>
<details>
  <summary>{len(api.operations)} operations</summary>
  <table>{"".join(map(_operation, api.operations))}</table>
</details>
</section>
"""


def _operation(operation: Operation) -> str:
    cells = f"<code>{escape(operation.path)}</code></td><td>{escape(operation.summary)}"
    return f'<tr><td class="method">{operation.method}</td><td>{cells}</td></tr>'


def _status(version: Version) -> str:
    stage = stage_of(version, datetime.now(UTC))
    until = f", until {version.sunset_at:%d %B %Y, %H:%M} UTC" if version.sunset_at else ""
    return f'<span class="badge {stage}">{stage}{until}</span>'


def _text(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _page(title: str, body: str, *, styles: Iterable[str] = (), wide: bool = False) -> str:
    sheets = "".join(f'<link rel="stylesheet" href="/docs/assets/{name}">' for name in ("portal.css", *styles))
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)} · Tiebeam</title>
<link rel="icon" href="/docs/assets/icon.svg">
{sheets}
<header class="top">
  <strong>Tiebeam</strong>
  <nav><a href="/docs">APIs</a><a href="/problems">Problems</a></nav>
</header>
{body if wide else f"<main>{body}</main>"}
</html>
"""

"""The frame of every page, and the small pieces that they share. Whatever comes from elsewhere is escaped here."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape

_CODE = re.compile(r"`([^`]+)`")


def text(words: str) -> str:
    """Return words of a contract or a catalogue, with what stands in backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(words))


def link(to: str, words: str) -> str:
    """Return a link."""
    return f'<a href="{escape(to)}">{escape(words)}</a>'


def moment(instant: datetime) -> str:
    """Return an instant as people read it; the script of the pages counts down to it."""
    at = instant.astimezone(UTC)
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%d %B %Y, %H:%M:%S} UTC</time>'


def facts(told: Mapping[str, str]) -> str:
    """Return a list of names and what is said of each, which is HTML already."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{value}</dd>' for name, value in told.items())}</dl>"


def table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; cells are HTML already, and the first of each row names it."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
    named = escape(caption)
    inner = f'<caption class="hidden">{named}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
    return f'<div class="wide" tabindex="0" role="region" aria-label="{named}"><table>{inner}</table></div>'


def page(title: str, body: str, *, scripts: Iterable[str] = ("portal.js",)) -> str:
    """Return the page: one main landmark, a way past the navigation, nothing from a foreign host."""
    loaded = "".join(f'<script src="/docs/assets/{name}" defer></script>' for name in scripts)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)} · Tiebeam</title>
<link rel="icon" href="/docs/assets/icon.svg">
<link rel="stylesheet" href="/docs/assets/portal.css">{loaded}
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header class="top">
  <strong>Tiebeam</strong>
  <nav aria-label="Documentation">{link("/docs", "APIs")}{link("/problems", "Problems")}</nav>
</header>
<main id="main" tabindex="-1">{body}</main>
</body>
</html>
"""


def _cells(row: Iterable[str]) -> str:
    first, *others = row
    return f'<th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}'

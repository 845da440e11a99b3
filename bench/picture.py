"""The picture of a run for the README: a bar for each contender, readable on light and dark ground."""

from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from bench.rounds import Spread

LABELS: Final = {
    "nginx_cache": "nginx, its cache (no tokens)",
    "envoy_cache": "Envoy, its cache (one answer for all)",
    "bare": "bare ASGI on the same server",
    "gateway": "Tiebeam, no Redis",
    "envoy_proxy": "Envoy, passing on",
    "gateway_valkey": "Tiebeam, with Valkey",
}
OURS: Final = ("gateway", "gateway_valkey")
LEFT, WIDTH, ROW, TOP, BAR = 268, 350, 30, 44, 18
END: Final = 790
STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 } .note { fill: #59636e; font-size: 12px }
.theirs { fill: #b6bec7 } .ours { fill: #0b7a75 } .interval { stroke: #1f2328; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .note { fill: #9198a1 } .theirs { fill: #3d444d } .ours { fill: #2fb5ab }
  .interval { stroke: #f0f6fc }
}
"""


def drawn(figures: Mapping[str, Spread]) -> str:
    """Return the picture as SVG; who was not measured has no bar."""
    there = [name for name in LABELS if f"cached_{name}_per_s" in figures]
    there.sort(key=lambda name: -figures[f"cached_{name}_per_s"].middle)
    most = max(figures[f"cached_{name}_per_s"].high for name in there)
    height = TOP + ROW * len(there) + 10
    rows = "\n".join(_row(name, TOP + ROW * at, most, figures) for at, name in enumerate(there))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {END} {height}" width="{END}" height="{height}" '
        f'role="img" aria-label="Answers from the cache, requests a second">\n<style>{STYLE}</style>\n'
        f'<text class="title" x="12" y="24">Answers from the cache, requests a second, one worker each</text>\n'
        f'<text class="note" x="{END - 12}" y="24" text-anchor="end">CPU a request</text>\n{rows}\n</svg>\n'
    )


def _row(name: str, y: int, most: float, figures: Mapping[str, Spread]) -> str:
    rate, cpu_us = figures[f"cached_{name}_per_s"], figures[f"cached_{name}_cpu_us"].middle
    length, low, high = (value / most * WIDTH for value in (rate.middle, rate.low, rate.high))
    middle, base = y + BAR / 2, y + BAR - 5
    whose = "ours" if name in OURS else "theirs"
    return (
        f'<text x="12" y="{base}">{escape(LABELS[name])}</text>'
        f'<rect class="{whose}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>'
        f'<line class="interval" x1="{LEFT + low:.1f}" x2="{LEFT + high:.1f}" y1="{middle}" y2="{middle}"/>'
        f'<text x="{LEFT + high + 8:.1f}" y="{base}">{rate.middle:,.0f}</text>'
        f'<text class="note" x="{END - 12}" y="{base}" text-anchor="end">{cpu_us:.0f} µs</text>'
    )

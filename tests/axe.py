"""axe, in a page: what keeps somebody with a keyboard, a screen reader or weak eyes from using it (WCAG 2.2 AA)."""

import json
from pathlib import Path
from typing import Final

import axe_core_python

from tests.browser import Tab

SCRIPT: Final = Path(axe_core_python.__file__).with_name("axe.min.js")
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FINDINGS: Final = """
axe.run(document, {runOnly: %s}).then(found => found.violations.flatMap(
  rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 120)}`)))
"""


async def findings(page: Tab) -> list[str]:
    """Return each finding: the rule, and the element that breaks it."""
    await page.evaluate(SCRIPT.read_text("utf-8"))
    found: list[str] = await page.evaluate(FINDINGS % json.dumps(RULES))
    return found

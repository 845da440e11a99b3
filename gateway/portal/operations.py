"""The operations of a version: to read without a script, and with it to try from the page."""

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from itertools import count
from typing import Any, Final

from gateway.portal.html import table, text
from gateway.portal.types import words

Node = Mapping[str, Any]
JSON: Final = "application/json"
METHODS: Final = ("get", "post", "put", "patch", "delete")
_LINK: Final = re.compile(r"\[([^\]]+)\]\((/(?!/)[^)\s]*)\)")
_PASTED: Final = """
<div class="field">
  <label for="token">Access token</label>
  <input id="token" type="password" autocomplete="off" aria-describedby="token-hint">
  <p class="hint" id="token-hint">It stays in this page, and is sent with what you execute below.</p>
</div>
"""


def section(document: Node, base: str) -> str:
    """Return every operation below its tag, each with its parameters, body, answers and a form."""
    told = {tag["name"]: str(tag.get("description", "")) for tag in document.get("tags", [])}
    found = dict[str, list[str]]()
    numbers = count()
    for path, method, node, parameters in _operations(document):
        shown = _operation(base + path, method, node, parameters, f"o{next(numbers)}")
        found.setdefault(node.get("tags", ["operations"])[0], []).append(shown)
    groups = (
        f"<h3>{escape(tag)}</h3><p>{text(told.get(tag, ''))}</p>{''.join(operations)}"
        for tag, operations in found.items()
    )
    return _PASTED + "".join(groups)


def _operations(document: Node) -> Iterator[tuple[str, str, Node, list[Node]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                node = item[method]
                yield path, method, node, [*item.get("parameters", []), *node.get("parameters", [])]


def _operation(address: str, method: str, node: Node, parameters: list[Node], own: str) -> str:
    going = ' <span class="badge deprecated">Deprecated</span>' if node.get("deprecated") else ""
    call = f'<span class="method">{method.upper()}</span> <code>{escape(address)}</code>'
    paragraphs = "".join(f"<p>{_told(part)}</p>" for part in node["description"].split("\n\n"))
    fields = "".join(_field(parameter, f"{own}-{number}") for number, parameter in enumerate(parameters))
    return f"""<details class="operation" id="{escape(node["operationId"])}">
<summary>{call} <span>{escape(node["summary"])}</span>{going}</summary>
{paragraphs}
<form class="try" data-method="{method.upper()}" data-path="{escape(address)}">
<fieldset><legend>{"Parameters" if fields else "No parameters"}</legend>{fields}</fieldset>
{_body(node, own)}
<button type="submit" hidden>Execute</button>
<div class="answer" role="status"></div>
</form>
<h4>Answers</h4>
{_answers(node)}
</details>
"""


def _field(parameter: Node, own: str) -> str:
    place, name, schema = parameter["in"], parameter["name"], parameter["schema"]
    needed = bool(parameter.get("required"))
    example = str(parameter["example"]) if needed and "example" in parameter else ""
    going = " (deprecated)" if parameter.get("deprecated") else ""
    label = f"{escape(name)}{', required' if needed else ''}{going}"
    hint = f"{_told(str(parameter.get('description', '')))} In the {place}: {words(schema)}."
    attributes = f'id="{own}" data-place="{place}" data-name="{escape(name)}" aria-describedby="{own}-hint"'
    return f"""<div class="field"><label for="{own}">{label}</label>
<input {attributes} value="{escape(example)}" autocomplete="off"{" required" if needed else ""}>
<p class="hint" id="{own}-hint">{hint}</p></div>"""


def _body(node: Node, own: str) -> str:
    if "requestBody" not in node:
        return ""
    content = node["requestBody"]["content"][JSON]
    example = json.dumps(content.get("example", {}), indent=2, ensure_ascii=False)
    return f"""<div class="field"><label for="{own}-body">Body, {JSON}</label>
<textarea id="{own}-body" rows="{min(24, example.count(chr(10)) + 2)}" spellcheck="false"
 aria-describedby="{own}-body-hint">{escape(example)}</textarea>
<p class="hint" id="{own}-body-hint">{words(content["schema"])}</p></div>"""


def _answers(node: Node) -> str:
    rows = [(status, text(answer["description"]), _what(answer)) for status, answer in node["responses"].items()]
    return table(f"Answers of {node['operationId']}", ("Status", "When", "What"), rows)


def _what(answer: Node) -> str:
    content = answer.get("content", {})
    return ", ".join(words(one["schema"]) for one in content.values() if "schema" in one) or "nothing"


def _told(paragraph: str) -> str:
    """Return a paragraph of a description, whose links lead to places of ours alone."""
    return _LINK.sub(r'<a href="\2">\1</a>', text(paragraph))

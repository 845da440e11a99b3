"""Looking at one contract with all rules, but for what it says it leaves aside."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

import msgspec
from msgspec import Struct

from gateway.contract.document import Document
from gateway.contract.linting.rule import Finding, Hit, Rule
from gateway.contract.linting.rules import RULES
from gateway.contract.linting.subject import Subject

ALLOW: Final = "x-lint-allow"
SHARED: Final = "common/types"
"""What stands there is left aside wherever it is used."""
IDLE: Final = "Take it out."


class Allowance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule that a contract leaves aside somewhere."""

    rule: str
    at: tuple[str, ...]
    """Places, or patterns of them."""
    because: str

    def covers(self, rule: Rule, place: str) -> bool:
        """Tell whether it speaks of the rule, and of the place."""
        return self.rule == rule.id and any(fnmatchcase(place, _escaped(pattern)) for pattern in self.at)


def findings_of(document: Document, rules: Sequence[Rule] = RULES) -> list[Finding]:
    """Return what breaks our rules in a contract, in their order."""
    subject = Subject(document)
    try:
        own, shared = _allowances(document), _allowances(Document(SHARED))
    except msgspec.ValidationError as error:
        return [_finding(subject, ALLOW, ALLOW, str(error), "Write rule, at and because.")]
    used: set[Allowance] = set()
    found = [
        _finding(subject, rule.id, place, detail, rule.mend)
        for rule in rules
        for place, detail in _left(rule, subject, [*own, *shared], used)
    ]
    idle = [each for each in own if each not in used]
    return found + [_finding(subject, ALLOW, each.rule, f"nothing breaks it at {each.at}", IDLE) for each in idle]


def _allowances(document: Document) -> list[Allowance]:
    return msgspec.convert(document.root.get(ALLOW, []), list[Allowance])


def _left(rule: Rule, subject: Subject, allowances: Sequence[Allowance], used: set[Allowance]) -> Iterator[Hit]:
    """Yield what a rule finds, and the contract does not leave aside; notes which allowances were needed."""
    for place, detail in rule.check(subject):
        covering = [each for each in allowances if each.covers(rule, place)]
        used.update(covering)
        if not covering:
            yield place, detail


def _finding(subject: Subject, rule: str, place: str, detail: str, mend: str) -> Finding:
    return Finding(contract=subject.contract, rule=rule, place=place, detail=detail, mend=mend)


def _escaped(pattern: str) -> str:
    """Return a pattern in which only the star has a meaning: paths and lists have brackets in their names."""
    return pattern.replace("[", "[[]")

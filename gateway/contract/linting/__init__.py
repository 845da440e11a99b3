"""Our rules for APIs, one small check each, and where a contract may leave one aside.

A contract names what it leaves aside, and why: `x-lint-allow: [{rule, at, because}]`, with `at` a list of places or
patterns of them (`NewHold.*`). What nothing breaks any more is a finding too.
"""

from gateway.contract.linting.lint import findings_of
from gateway.contract.linting.rule import Finding, Rule
from gateway.contract.linting.rules import RULES

__all__ = ["RULES", "Finding", "Rule", "findings_of"]

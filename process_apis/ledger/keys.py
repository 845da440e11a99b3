"""Business keys: the permanent name of one document, given before anything is sent. No attempt, run or batch in it."""

import hashlib
import re
from typing import Final

LONGEST: Final = 64
"""The narrowest key field we met, and its alphabet: `[A-Za-z0-9_-]`."""
NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9-]")
TAIL: Final = re.compile(r"-[0-9a-f]{16}\Z")
TAIL_LENGTH: Final = 17


def onboarding_key(crm: str, opportunity: str, sow_version: int) -> str:
    """Return the key of an onboarding: one for each version of a statement of work."""
    return business_key("onb", crm, opportunity, str(sow_version))


def customer_key(crm: str, account: str) -> str:
    """Return the key of a customer that we make: one for each account, whatever is sold to it."""
    return business_key("cus", crm, account)


def contract_key(crm: str, opportunity: str) -> str:
    """Return the key of a contract: its versions share it."""
    return business_key("con", crm, opportunity)


def psa_project_key(crm: str, opportunity: str) -> str:
    """Return the key of the project in the PSA."""
    return business_key("prj", crm, opportunity, "psa")


def erp_project_key(crm: str, opportunity: str) -> str:
    """Return the key of the project in the ERP."""
    return business_key("prj", crm, opportunity, "erp")


def task_key(crm: str, opportunity: str, task: str) -> str:
    """Return the key of a task, `task` being its code in the template."""
    return business_key("tsk", crm, opportunity, task)


def milestone_key(crm: str, opportunity: str, milestone: str) -> str:
    """Return the key of a milestone, `milestone` being its place in the statement of work or code in the template."""
    return business_key("mil", crm, opportunity, milestone)


def business_key(kind: str, *parts: str) -> str:
    """Return the key of the fact: what differs in any part has another key.

    `_` joins parts and nothing else. A part that had to be changed or cut ends in a hash of what it was, and so does
    one that merely looks as if it had been.
    """
    shown = [_plain(part) for part in parts]
    while (excess := len("_".join((kind, *shown))) - LONGEST) > 0:
        longest = max(range(len(shown)), key=lambda place: len(shown[place]))
        if len(shown[longest]) <= TAIL_LENGTH:
            raise ValueError(f"A key of the kind {kind} has too many parts to fit.")
        room = len(shown[longest]) - excess
        shown[longest] = _tailed(parts[longest], max(room, TAIL_LENGTH, len(shown[longest]) // 2))
    return "_".join((kind, *shown))


def _plain(part: str) -> str:
    fits = part and not NOT_PLAIN.search(part) and not TAIL.search(part)
    return part if fits else _tailed(part, len(part) + TAIL_LENGTH)


def _tailed(part: str, room: int) -> str:
    digest = hashlib.sha256(part.encode()).hexdigest()[: TAIL_LENGTH - 1]
    return f"{NOT_PLAIN.sub('-', part)[: room - TAIL_LENGTH]}-{digest}"

"""What is raised on purpose, as exception and as the value that a durable step records."""

import msgspec
import pytest

from gateway.errors import ApiError, Refusal, Refused, Unavailable, Uncertain, WriteInProgress
from gateway.secret import Secret
from gateway.shipped import shipped
from openapi.common.types import Candidate, Code, Violation

VIOLATION = Violation(code=Code.currency_mismatch, pointer="#/lines/0/value", detail="Send EUR.")
CANDIDATE = Candidate(external_id="17", name="Alder", score=93, reasons=[])


def test_refusal_says_the_same_after_a_round_through_json() -> None:
    refused = Refused(Code.currency_mismatch, "Mend it.", VIOLATION, candidates=[CANDIDATE], process_id="pin_1")

    again = msgspec.json.decode(msgspec.json.encode(Refusal.of(refused)), type=Refusal)

    assert again == Refusal.of(refused)
    assert (again.code, again.detail, again.violations) == (Code.currency_mismatch, "Mend it.", [VIOLATION])
    assert (again.candidates, again.process_id) == ([CANDIDATE], "pin_1")


def test_families_say_what_happens_next_and_are_no_kind_of_each_other() -> None:
    assert issubclass(WriteInProgress, Unavailable)
    for one in (Refused, Unavailable, Uncertain):
        assert issubclass(one, ApiError)
        assert not any(issubclass(one, other) for other in (Refused, Unavailable, Uncertain) if other is not one)


def test_secret_is_not_shown_and_not_encoded() -> None:
    secret = Secret("hunter2")

    assert "hunter2" not in f"{secret!r} {secret}"
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError):
        msgspec.json.encode({"password": secret})


def test_what_ships_is_found() -> None:
    assert (shipped("sample") / "tiebeam.yaml").is_file()

"""What a problem says, and the header fields that go with it."""

import msgspec
import pytest

from gateway.errors import ApiError, Refused, Unavailable, Uncertain, WriteInProgress
from gateway.problems import MEDIA_TYPE, RETRY_AFTER_S, Context, catalogue, render
from openapi.common.types import Code, Outcome, OwnerQueue, Problem, Violation

CONTEXT = Context(correlation_id="cor_1", decision_id="dec_1", scopes=("customers:read", "customers:update"))


def problem(error: BaseException) -> tuple[Problem, dict[str, str]]:
    status, headers, body = render(error, CONTEXT)
    found = msgspec.json.decode(body, type=Problem)
    assert found.status == status
    return found, dict(headers)


def test_catalogue_explains_every_code() -> None:
    assert list(catalogue()) == list(Code)


@pytest.mark.parametrize("code", Code)
def test_every_code_has_its_entry_in_the_answer(code: Code) -> None:
    entry = catalogue()[code]

    found, headers = problem(Refused(code, "Do this."))

    assert (found.code, found.status, found.title, found.detail) == (code, entry.status, entry.title, "Do this.")
    assert found.type == (entry.type or f"/problems/{code}")
    assert (headers["content-type"], headers["cache-control"]) == (MEDIA_TYPE, "no-store")
    assert ("retry-after" in headers) == (entry.retryable or entry.status in {429, 503})


def test_problem_names_the_call_that_it_answers() -> None:
    found, _ = problem(Refused(Code.resource_not_found, "Look elsewhere."))

    assert (found.instance, found.correlation_id) == ("urn:tiebeam:decision:dec_1", "cor_1")


def test_problem_without_decision_is_an_occurrence_of_its_own() -> None:
    error, context = Refused(Code.resource_not_found, "Look elsewhere."), Context(correlation_id="cor_1")

    instances = {msgspec.json.decode(render(error, context)[2], type=Problem).instance for _ in range(2)}

    assert len(instances) == 2


def test_problem_leaves_out_what_it_does_not_know() -> None:
    _, _, body = render(Refused(Code.resource_not_found, "Look elsewhere."), CONTEXT)

    assert not {"errors", "candidates", "process_id", "owner_queue", "work_item_id"} & msgspec.json.decode(body).keys()


def test_problem_carries_what_was_found() -> None:
    violation = Violation(code=Code.currency_mismatch, pointer="#/lines/0/value/currency", detail="Send EUR.")

    found, _ = problem(Refused(Code.currency_mismatch, "Send one currency.", violation, process_id="pin_1"))

    assert (found.errors, found.process_id, found.owner_queue) == ([violation], "pin_1", OwnerQueue.Sales_Ops)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Uncertain(Code.upstream_timeout_uncertain, "Ask again."), Outcome.uncertain),
        (Uncertain(Code.upstream_contract_violation, "Ask again."), Outcome.uncertain),
        (Unavailable(Code.upstream_contract_violation, "Ask again."), Outcome.none),
    ],
)
def test_family_says_whether_it_may_have_happened(error: ApiError, outcome: Outcome) -> None:
    assert problem(error)[0].outcome is outcome


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Unavailable(Code.upstream_rate_limited, "Later.", retry_after_s=17), 17),
        (Unavailable(Code.upstream_unavailable, "Later."), RETRY_AFTER_S),
        (WriteInProgress(Code.upstream_write_in_progress, "Later.", retry_after_s=0), 0),
    ],
)
def test_retry_after_is_in_whole_seconds(error: ApiError, seconds: int) -> None:
    assert problem(error)[1]["retry-after"] == str(seconds)


@pytest.mark.parametrize(
    ("code", "challenge"),
    [
        (Code.auth_token_missing, 'Bearer realm="tiebeam"'),
        (Code.auth_invalid_token, 'Bearer realm="tiebeam", error="invalid_token"'),
        (
            Code.auth_scope_missing,
            'Bearer realm="tiebeam", error="insufficient_scope", scope="customers:read customers:update"',
        ),
        (Code.auth_entity_not_allowed, None),
    ],
)
def test_challenge_is_that_of_rfc_6750(code: Code, challenge: str | None) -> None:
    assert problem(Refused(code, "Fetch a token."))[1].get("www-authenticate") == challenge


def test_failure_is_logged_with_its_causes_and_without_their_words(caplog: pytest.LogCaptureFixture) -> None:
    secret = "s3cret"
    error = ValueError(secret)
    error.__cause__ = KeyError(secret)

    found, _ = problem(error)

    assert (found.code, found.outcome) == (Code.internal, Outcome.uncertain)
    assert all(word in caplog.text for word in ("builtins.ValueError", "builtins.KeyError", "cor_1"))
    assert secret not in caplog.text + found.detail

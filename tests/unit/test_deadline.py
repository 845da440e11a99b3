"""How much time is left, and to what work belongs."""

from gateway.correlation import Urgency, belonging, current_process_id, current_step, current_urgency
from gateway.deadline import FOREVER, deadline, left_s


def test_time_is_endless_where_nobody_waits() -> None:
    assert left_s() == FOREVER


def test_nearer_deadline_stays_whatever_is_said_inside() -> None:
    with deadline(5):
        with deadline(60):
            assert 4 < left_s() <= 5
        with deadline(1):
            assert left_s() <= 1
        assert 4 < left_s() <= 5

    assert left_s() == FOREVER


def test_work_belongs_to_what_was_said_last_and_to_nothing_afterwards() -> None:
    with belonging(process_id="prc_1", step="check"), belonging(step="create", urgency=Urgency.background):
        inside = (current_process_id.get(), current_step.get(), current_urgency.get())

    assert inside == ("prc_1", "create", Urgency.background)
    assert (current_process_id.get(), current_step.get(), current_urgency.get()) == (None, None, None)

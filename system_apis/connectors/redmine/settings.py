"""What one connection to a Redmine needs. Ids stand nowhere: what people named in Redmine is found by its name."""

from typing import Annotated, Final

from msgspec import Meta, Struct, field

from gateway.secret import Secret
from openapi.system.psa.v1 import ApprovalState

Name = Annotated[str, Meta(min_length=1, max_length=60)]
APPROVALS: Final = {
    "Open": ApprovalState.open,
    "Submitted": ApprovalState.submitted,
    "Approved": ApprovalState.approved,
    "Rejected": ApprovalState.rejected,
    "Invoiced": ApprovalState.approved,  # By people who bill by hand.
}


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `settings` of a connection whose vendor is `redmine`."""

    base_url: Annotated[str, Meta(pattern=r"^https?://[^\s?#]*[^\s?#/]$")]
    """Where people open it, without a slash at the end; a path is fine."""
    api_key: Secret
    """Of a user of its own, an administrator with English as language."""
    manager_role: Name = "Manager"
    """The role that a project's manager gets."""
    tracker: Name = "Feature"
    """What a task becomes."""
    approvals: dict[Name, ApprovalState] = field(default_factory=APPROVALS.copy)
    """What the values of the custom field `Approval` mean."""
    time_window_days: Annotated[int, Meta(ge=0, le=400)] = 62
    """How old time may be that somebody still changes: so many days are read again each time."""
    settle_s: Annotated[float, Meta(ge=0, le=3600)] = 30.0
    """How long a call that was given up may still wait in Redmine's own queue, and take effect afterwards."""

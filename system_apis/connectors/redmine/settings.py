"""What one connection to a Redmine needs. Ids stand nowhere: what people named in Redmine is found by its name."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.secret import Secret

Name = Annotated[str, Meta(min_length=1, max_length=60)]


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
    settle_s: Annotated[float, Meta(ge=0, le=3600)] = 30.0
    """How long a call that was given up may still wait in Redmine's own queue, and take effect afterwards."""

"""What is answered where something was done here, and other processes have not heard of it."""

from gateway.errors import Unavailable
from openapi.common.types import Code


def untold(done: str) -> Unavailable:
    """Return what is answered where it cannot be promised for every process; sent again, it can be once it is told."""
    detail = f"{done} Others could not be told so far, as the shared counters are away; it is still tried."
    return Unavailable(Code.withdrawal_untold, detail, retry_after_s=1)

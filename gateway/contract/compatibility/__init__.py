"""What callers meet when a contract changes: whether it breaks them, and one sentence for each thing.

Pure: two bundled documents in, changes out. One module for each topic; `kinds.py` is the list of all verdicts.
"""

from gateway.contract.compatibility.change import Change
from gateway.contract.compatibility.documents import changes_between
from gateway.contract.compatibility.kinds import Kind

__all__ = ["Change", "Kind", "changes_between"]

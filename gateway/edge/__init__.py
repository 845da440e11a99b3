"""The outermost ASGI callable: what every request goes through before the framework sees it, and every answer after it.

`paths`, `limits` and `address` read what strangers send, `governed` finds the operation, its `way` carries the plan
out, with what `admission` decided once for the caller; `answers` sends. What a policy does stands in
`gateway.policy.kinds`.
"""

from gateway.edge.application import Edge, operations_of, places_of
from gateway.edge.kit import kit_of

__all__ = ["Edge", "kit_of", "operations_of", "places_of"]

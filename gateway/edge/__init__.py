"""The outermost ASGI callable: what every request goes through before the framework sees it, and every answer after it.

`paths` and `limits` read what strangers send, `routes` finds the operation, `governed` carries its plan out, `answers`
sends. What a policy does stands in `gateway.policy.kinds`.
"""

from gateway.edge.application import Edge, operations_of

__all__ = ["Edge", "operations_of"]

"""The platform: contracts bound to functions, the edge, durable work, guarded writes. Knows no vendor and no process."""

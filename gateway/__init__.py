"""The platform: contracts and functions, the edge, durable work, guarded writes. Knows no vendor and no process."""

"""Where a project stands, in every system that knows it: read only, from what the systems say or said last."""

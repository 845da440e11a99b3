"""What the gateway decides and why, and how its decisions are changed while it runs."""

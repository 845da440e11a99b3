"""What operators see: `logs` (JSON lines, redacted), `metrics`, `spans`, and `tracing`, which records those."""

"""The contracts: OpenAPI documents by hand, types beside them by machine. Imports nothing of ours."""

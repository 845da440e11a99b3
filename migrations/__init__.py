"""One history of our tables for both databases; `gateway.store.migrate` runs it."""

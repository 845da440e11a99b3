"""Handlers of `openapi/platform`: our own administration."""

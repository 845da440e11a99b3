"""Pages for developers: which APIs there are, their reference with *try it*, contracts as written, problems explained."""

from gateway.portal.routes import routes

__all__ = ["routes"]

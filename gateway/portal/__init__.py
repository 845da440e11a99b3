"""Pages for developers: which APIs there are, their reference to try, contracts as written, problems explained."""

from gateway.portal.routes import routes

__all__ = ["routes"]

"""Pages for developers: which APIs there are, their reference to try, contracts as written, problems explained."""

from gateway.portal.catalog import Catalog, catalog_route
from gateway.portal.resource_metadata import Resources, metadata_routes
from gateway.portal.routes import Lives, routes

__all__ = ["Catalog", "Lives", "Resources", "catalog_route", "metadata_routes", "routes"]

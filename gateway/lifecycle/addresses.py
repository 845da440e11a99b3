"""Where a contract version is served, and where its callers read what becomes of it."""


def base_of(contract: str, connection: str | None = None) -> str:
    """Return the path that a version is served at: a system's once for each connection."""
    family, api, version = contract.split("/")
    return f"/{family}/{connection}/{api}/{version}" if connection else f"/{family}/{api.replace('_', '-')}/{version}"


def page_of(base: str) -> str:
    """Return where the documentation tells of the version's life."""
    return f"/docs{base}#lifecycle"

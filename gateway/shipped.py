"""Where files lie that ship with the product: in a wheel below `gateway/shipped_files`, in a checkout at the top."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """Return the folder `migrations`, `policies` or `sample`, wherever the product was installed from."""
    packed = _PACKAGE / "shipped_files" / name
    return packed if packed.exists() else _PACKAGE.parent / name

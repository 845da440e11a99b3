"""Files of the package that are served as they are: contracts, scripts, style sheets."""

import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from msgspec import Struct

MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".yaml": "application/yaml",  # RFC 9512
}


class File(Struct, frozen=True, kw_only=True):
    """A file in memory, with what tells one state of it from another."""

    content: bytes
    media_type: str
    etag: str

    @classmethod
    def of(cls, name: str, content: bytes) -> "File":
        """Return the file; its name says of what type it is."""
        digest = hashlib.sha256(content).hexdigest()[:32]
        return cls(content=content, media_type=MEDIA_TYPES[_suffix(name)], etag=f'"{digest}"')


def contracts() -> Mapping[str, File]:
    """Return every YAML file below `openapi/` by its path there. Nothing else can be asked for."""
    found = _below(files("openapi"), "")
    return {path: File.of(path, node.read_bytes()) for path, node in found if _suffix(path) == ".yaml"}


def assets() -> Mapping[str, File]:
    """Return what the pages load, by name."""
    found = _below(files("gateway.portal").joinpath("assets"), "")
    return {path: File.of(path, node.read_bytes()) for path, node in found if _suffix(path) in MEDIA_TYPES}


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for node in sorted(folder.iterdir(), key=lambda each: each.name):
        if node.is_dir():
            yield from _below(node, f"{prefix}{node.name}/")
        else:
            yield prefix + node.name, node


def _suffix(name: str) -> str:
    return name[name.rfind(".") :]

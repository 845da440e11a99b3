"""What each contract's file opens for itself, and has closed after its last test."""

from collections.abc import Iterator

import pytest

from tests.contracts.harness import Harness
from tests.contracts.objects import Objects, objects


@pytest.fixture(scope="module")
def opened() -> Iterator[Harness]:
    """A harness that calls nothing yet."""
    it = Harness()
    yield it
    it.close()


@pytest.fixture(scope="module")
def made(opened: Harness, tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """A database of the file's own, and what makes objects in it."""
    return opened.open(objects(f"sqlite:///{tmp_path_factory.mktemp('objects')}/tiebeam.sqlite"))

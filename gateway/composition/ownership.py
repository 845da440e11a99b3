"""Who answers for each thing that this installation really has: what has nobody stops the start."""

from collections.abc import Sequence

import process_apis
from gateway import ownership
from gateway.composition.parts import CannotStart, Parts
from gateway.durable import Schedule
from gateway.ownership import OwnedThing, OwnershipError
from process_apis.ledger.mappings import FILES


def owned_in(built: Parts, schedules: Sequence[Schedule]) -> tuple[OwnedThing, ...]:
    """Return each thing with who answers for it; raises CannotStart with all that nobody answers for."""
    settings = built.installation.settings
    try:
        return ownership.owned(
            built.installation.ownership,
            settings,
            {
                "connections": settings.connections,
                "schedules": [schedule.name for schedule in schedules],
                "mappings": FILES,
                "event_types": process_apis.EVENT_TYPES,
            },
        )
    except OwnershipError as error:
        raise CannotStart(str(error)) from error

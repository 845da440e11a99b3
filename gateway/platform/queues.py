"""How long what waits has waited: what other systems told of, and what was accepted, that nobody has begun with."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.inbox import tb_inbox
from gateway.store.processes import State, tb_process_instance
from gateway.telemetry.metrics import QUEUE_AGE, Figures, series

_INBOX, _PROCESS = tb_inbox.c, tb_process_instance.c


async def ages(connection: AsyncConnection, now: datetime) -> Figures:
    """Return the age of the oldest in each queue that has something: of an inbox, or of a kind of process."""
    told = select(_INBOX.connection, _INBOX.object_type, func.min(_INBOX.received_at).label("since"))
    told = told.where(_INBOX.batch.is_(None)).group_by(_INBOX.connection, _INBOX.object_type)
    accepted = select(_PROCESS.kind, func.min(_PROCESS.updated_at).label("since"))
    accepted = accepted.where(_PROCESS.state == State.accepted.value).group_by(_PROCESS.kind)
    since = {f"{row.connection}/{row.object_type}": row.since for row in await connection.execute(told)}
    since |= {row.kind: row.since for row in await connection.execute(accepted)}
    return {
        series(QUEUE_AGE, queue=queue): max(0, int((now - moment).total_seconds())) for queue, moment in since.items()
    }

"""What `tiebeam backup` and `tiebeam restore` do, without the typing."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

from sqlalchemy.exc import OperationalError

from gateway import main
from gateway.backup.archive import BackupError
from gateway.backup.putting_back import Place
from gateway.backup.putting_back import restore as put_back
from gateway.backup.restores import FILE
from gateway.backup.taking import take
from gateway.composition.parts import CannotStart
from gateway.egress.limits import Part
from gateway.settings import Settings
from gateway.store.database import is_sqlite, utc_now
from gateway.writes import Port

Say = Callable[[str], None]
AWAY = "The database does not answer. Look at database.url in the settings, and at it."


def backup(settings: Settings, file: Path, say: Say) -> str:
    """Return a sentence about the backup that the file is now; `say` hears how far it is."""
    try:
        manifest = take(settings.database_url, settings.data, file, utc_now(), say)
    except BackupError as error:
        raise CannotStart(str(error)) from error
    except OperationalError as error:
        raise CannotStart(AWAY) from error
    size = sum(member.bytes for member in manifest.members)
    keys = "It holds the installation's keys: keep it where only you can read it."
    return f"{file} has the state of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC, {size:,} bytes. {keys}"


def restore(settings: Settings, file: Path, say: Say, *, force: bool) -> str:
    """Return what to do next, once the installation's state is that of the backup."""
    settle_s = asyncio.run(_longest_settle_s(settings))
    began = time.monotonic()
    try:
        place = Place(url=settings.database_url, data=settings.data)
        manifest = put_back(file, place, utc_now(), say, force=force)
    except BackupError as error:
        raise CannotStart(str(error)) from error
    except OperationalError as error:
        raise CannotStart(AWAY) from error
    _settle(began + settle_s - time.monotonic(), say)
    start = "tiebeam serve" if is_sqlite(settings.database_url) else "tiebeam migrate, then web processes and workers"
    return (
        f"The state is that of {manifest.created_at:%Y-%m-%d %H:%M:%S} UTC; {FILE} in {settings.data} says so too.\n"
        f"Next: {start}. Then deny again whom you denied since, place again the holds that were placed since, and let"
        f" callers repeat what they asked for since: what it made in the other systems is found there, not made again."
    )


def _settle(wait_s: float, say: Say) -> None:
    """Return once a look in the other systems shows all that was sent before everything stopped.

    The rows that would say how long "not there" proves nothing may be among those that are lost.
    """
    if wait_s > 0:
        say(f"Waiting {wait_s:.0f} s, until the other systems show what was sent to them last …")
        time.sleep(wait_s)


async def _longest_settle_s(settings: Settings) -> float:
    """Return the longest settle window of all connections; raises CannotStart where the settings do not hold."""
    async with aclosing(main.parts(main.read(settings), Part.whole)) as parts:
        ports: list[Port] = [*parts.erps.values(), *parts.psas.values()]
        return max((port.capabilities.settle_s for port in ports), default=0.0)

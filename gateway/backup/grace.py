"""What in a state that comes back would act on its age, and must not: nobody has had the time to look at it."""

from datetime import datetime

import sqlalchemy
from sqlalchemy import update
from sqlalchemy.engine import make_url

from gateway.store.processes import State, tb_process_instance

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}


def give_time(url: str, now: datetime) -> None:
    """Let what was parked at the backup be parked from now on.

    It may have been resumed and have ended well since, of which the rows know nothing: undone for its age, it would
    take back what people work with.
    """
    address = make_url(url)
    backend = address.get_backend_name()
    engine = sqlalchemy.create_engine(address.set(drivername=DRIVERS[backend]), hide_parameters=True)
    parked = tb_process_instance.c.state == State.parked.value
    try:
        with engine.begin() as connection:
            connection.execute(update(tb_process_instance).where(parked).values(parked_at=now))
    finally:
        engine.dispose()

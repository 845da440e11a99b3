"""Two web processes beside one, on one PostgreSQL and one Valkey: what a second one adds.

Asked is what goes all the way to the database: a list of statuses, past what is kept. Each process has its own 32
connections, as if a balancer shared them out; one and two take turns within each round.

`two_webs_vs_one` is in requests a second. It needs two cores that are free for the web processes; `scaling_two_cores`
says how many they got beside load, PostgreSQL and Valkey. `two_webs_vs_one_by_cpu` is what two would do with a core
each, from the CPU of a request: it is less than 2 as far as they are in each other's way.
"""

import asyncio
import contextlib
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import yaml

from bench.contenders import gateway
from bench.processes import running
from bench.rounds import Measure
from bench.uncached import FRESH
from bench.wrk import Contender, Load, loaded
from examples.demo import stage
from examples.servers.start import free_port
from tests.servers_postgres import postgres

PATH: Final = "/process/status/v1/project-statuses?limit=20"
CLIENT: Final = ("--client", "developer", "--scope", "status:read")
NOBODY: Final = "http://127.0.0.1:9"
"""No system is asked."""


@asynccontextmanager
async def measured() -> AsyncIterator[Measure]:
    """Give the measure, both web processes running and warm."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiebeam-bench-")))
        database, valkey = stack.enter_context(postgres()), stack.enter_context(gateway.valkey())
        config = _installed(folder / "installation", database.database(), valkey.url)
        headers = {"Authorization": f"Bearer {stage.token(config, *CLIENT)}"} | FRESH
        webs = [stack.enter_context(_serving(config, folder / f"web-{name}.log", headers)) for name in ("one", "two")]
        await _borne(webs)

        async def measure() -> Mapping[str, float]:
            return figures((await _borne(webs[:1])), (await _borne(webs)))

        yield measure


def _installed(folder: Path, database_url: str, redis_url: str) -> Path:
    config = gateway.install(folder, NOBODY, redis_url).config
    (folder / "database-url").write_text(database_url, "utf-8")
    settings = yaml.safe_load(config.read_text("utf-8"))
    settings["database"] = {"url": {"file": "database-url"}}
    config.write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
    subprocess.run([*stage.TIEBEAM, "migrate", "--config", config], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    return config


@contextlib.contextmanager
def _serving(config: Path, log: Path, headers: Mapping[str, str]) -> Iterator[Contender]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [*stage.TIEBEAM, "serve", "--no-worker", "--config", str(config)]
    listens = {"TIEBEAM__HTTP__PORT": str(port)}
    with running(command, ready=f"{url}/health/ready", log=log, environ=listens) as pid:
        yield Contender(log.stem, pid, url + PATH, headers)


async def _borne(webs: Sequence[Contender]) -> list[Load]:
    """Return what each bears while all of them are asked."""
    return await asyncio.gather(*(loaded(web) for web in webs))


def figures(one: Sequence[Load], two: Sequence[Load]) -> dict[str, float]:
    """Return how two compare with one."""
    found: dict[str, float] = {}
    for name, loads in (("one", one), ("two", two)):
        per_s = sum(load.per_s for load in loads)
        busy_us = sum(load.per_s * load.cpu_us for load in loads)
        found |= {
            f"scaling_{name}_per_s": per_s,
            f"scaling_{name}_cpu_us": busy_us / per_s,
            f"scaling_{name}_cores": busy_us / 1e6,
            f"scaling_{name}_failed": max(load.failed for load in loads),
        }
    ratio = found["scaling_two_per_s"] / found["scaling_one_per_s"]
    by_cpu = len(two) * found["scaling_one_cpu_us"] / found["scaling_two_cpu_us"]
    return found | {"two_webs_vs_one": ratio, "two_webs_vs_one_by_cpu": by_cpu}

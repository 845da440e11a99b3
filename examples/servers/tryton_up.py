"""Bring up a real Tryton, with a ledger (`erp`) and delivery (`psa`) ready to be used.

    python tryton_up.py DATA_DIR --port 8000 --cache CACHE --database erp:erp --database psa:psa

Runs in an environment of `tryton-requirements.txt`. Once the server answers, one line of JSON says where and for whom;
it is in DATA_DIR/ready.json too while the server runs. Everything else goes to standard error and DATA_DIR/trytond.log.
SIGTERM and SIGINT end it. On a directory that has its databases, it serves what is there.
"""

import argparse
import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from tryton_build import configure, transact
from tryton_databases import PostgreSQL, SQLite, embedded

CONFIG = """\
[database]
uri = {uri}
path = {path}
list = True
[web]
listen = {host}:{port}
root =
[session]
max_attempt = {max_attempt}
timeout = {session_timeout}
[queue]
worker = False
"""
WAIT_FOR_OTHER_S = 300.0
LAST_CALLS_S = 5
LOOK_AROUND_S = 1.0


def arguments():
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("data_dir", type=Path, help="where databases and logs lie")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8000, help="0 takes a free one")
    add("--db", default="sqlite", help="sqlite (default), embedded (a PostgreSQL of its own), or postgresql://…")
    add("--database", action="append", metavar="NAME:PROFILE", help="erp or psa; repeat it for each database")
    add("--cache", type=Path, metavar="DIR", help="keep finished databases here, and start from copies")
    add("--build-only", action="store_true", help="prepare, do not serve")
    add("--max-attempt", type=int, default=5, help="failed log-ins before 429, as Tryton ships")
    add("--session-timeout", type=int, default=300, help="seconds that a session is fresh, as Tryton ships")
    add("--end-with-parent", action="store_true", help="end when whoever started it is gone")
    add("--threads", type=int, default=8)
    asked = parser.parse_args()
    wanted = asked.database or ["erp:erp", "psa:psa"]
    asked.databases = [(name, profile or name) for name, _, profile in (item.partition(":") for item in wanted)]
    asked.data_dir, asked.parent = asked.data_dir.resolve(), os.getppid()
    return asked


def store_of(asked):
    """Return where the databases are kept."""
    if asked.db == "sqlite":
        return SQLite(asked.data_dir, asked.cache)
    if asked.db == "embedded":
        return embedded(asked.data_dir, asked.cache, asked.databases)
    return PostgreSQL(asked.db)


@contextlib.contextmanager
def alone(data_dir):
    """Hold the directory; where another process serves it, yield what that one said of itself."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield other(data_dir / "ready.json")
        else:
            (data_dir / "ready.json").unlink(missing_ok=True)
            yield None


def other(ready_file):
    """Return what the process that holds the directory says of itself, once it says it."""
    until = time.monotonic() + WAIT_FOR_OTHER_S
    while time.monotonic() < until:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return {**json.loads(ready_file.read_text()), "already_running": True}
        time.sleep(0.2)
    raise SystemExit("Another process holds the directory, and does not answer.")


def describe(name):
    """Return what a client has to know about one database."""
    from tryton_seed import PASSWORD  # noqa: PLC0415 - proteus imports trytond, which is configured first

    def read(pool):
        attempts = pool.get("res.user.login.attempt")
        attempts.delete(attempts.search([]))  # Failed log-ins of an earlier run must not slow this one down.
        (company,) = pool.get("company.company").search([], limit=1)
        return {"id": company.id, "name": company.rec_name, "currency": company.currency.code}

    users = {"user": "gateway", "password": PASSWORD, "admin_user": "admin", "admin_password": PASSWORD}
    return {"database": name, "company": transact(name, read), **users}


def serve(asked, store, started):
    """Serve until a signal, then let calls in progress finish."""
    from trytond import __version__  # noqa: PLC0415 - configured first
    from trytond.pool import Pool  # noqa: PLC0415 - configured first
    from trytond.wsgi import app  # noqa: PLC0415 - configured first
    from waitress.server import create_server  # noqa: PLC0415 - beside trytond

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    names = [name for name, _ in asked.databases]
    Pool.start()
    for name in names:
        Pool(name).init()
    with (asked.data_dir / "trytond.log").open("a") as errors:

        def application(environ, start_response):
            environ["wsgi.errors"] = errors  # The traceback of every refused call goes there.
            return app(environ, start_response)

        server = create_server(application, host=asked.host, port=asked.port, threads=asked.threads, ident="trytond")
        databases = {name: describe(name) for name in names}
        ready = {
            **databases[names[0]],
            "base_url": f"http://{asked.host}:{server.effective_port}",
            "databases": databases,
            "backend": urlsplit(store.uri).scheme,
            "version": __version__,
            "pid": os.getpid(),
            "ready_in_s": round(time.monotonic() - started, 2),
        }
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        threading.Thread(target=server.run, daemon=True).start()
        announce(ready, asked.data_dir / "ready.json")
        while not stop.wait(LOOK_AROUND_S) and not (asked.end_with_parent and os.getppid() != asked.parent):
            pass
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=LAST_CALLS_S)
        server.close()
    (asked.data_dir / "ready.json").unlink(missing_ok=True)


def announce(ready, ready_file=None):
    """Say that the server answers."""
    line = json.dumps(ready)
    if ready_file:
        ready_file.write_text(f"{line}\n")
    print(line, flush=True)


def bring_up(asked, started):
    """Prepare the databases, and serve them."""
    log = "%(asctime)s %(levelname)s %(name)s %(message)s"
    logging.basicConfig(filename=asked.data_dir / "trytond.log", level=logging.WARNING, format=log)
    store, config_file = store_of(asked), asked.data_dir / "trytond.conf"
    try:
        options = {name: getattr(asked, name) for name in ("host", "port", "max_attempt", "session_timeout")}
        config_file.write_text(CONFIG.format(uri=store.uri, path=asked.data_dir / "db", **options))
        for name, profile in asked.databases:
            store.ensure(config_file, name, profile)
        if not asked.build_only:
            configure(config_file)
            serve(asked, store, started)
    finally:
        store.stop()


def main():
    """Do what was asked for on the command line."""
    started, asked = time.monotonic(), arguments()
    with alone(asked.data_dir) as running:
        if running:
            announce(running)
            return
        bring_up(asked, started)
    sys.stdout.flush()
    logging.shutdown()
    os._exit(0)  # Everything is closed; the interpreter's own tear-down takes two seconds for all the models.


if __name__ == "__main__":
    main()

"""nginx with one worker process: requests are limited, answers kept or not. It verifies no token."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bench.contenders.gateway import Installed
from bench.processes import running
from bench.wrk import Contender
from examples.servers.start import free_port

CONFIG: Final = """
daemon off;
pid {folder}/{name}.pid;
error_log stderr error;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  limit_req_zone $http_authorization zone=callers:10m rate=1000000r/s;
  proxy_cache_path {folder}/{name} keys_zone=answers:10m;
  upstream erp {{ server {upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      limit_req zone=callers burst=100000 nodelay;
      proxy_pass http://erp;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      {cache}
    }}
  }}
}}
"""
KEEPING: Final = "proxy_cache answers; proxy_cache_valid 200 1d;"


def binary() -> str | None:
    """Return nginx's binary; Debian puts it where only root looks. None where it is not installed."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


@contextlib.contextmanager
def serving(name: str, folder: Path, installed: Installed, upstream: str, *, keeping: bool) -> Iterator[Contender]:
    """Run an nginx for the length of the block, before the same upstream."""
    port, file, place = free_port(), folder / f"{name}.conf", urlsplit(upstream)
    cache = KEEPING if keeping else ""
    text = CONFIG.format(folder=folder, name=name, upstream=place.netloc, port=port, cache=cache)
    file.write_text(text, "utf-8")
    url = f"http://127.0.0.1:{port}{place.path}"
    with running([binary() or "nginx", "-c", file], ready=url, log=folder / f"{name}.log") as pid:
        yield Contender(name, pid, url, installed.headers)

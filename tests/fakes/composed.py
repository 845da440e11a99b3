"""The composed product with strict fakes in its systems' place: only the ports are exchanged."""

from dataclasses import replace
from pathlib import Path

import yaml

from gateway.composition.connections import landscape_of
from gateway.composition.parts import Parts
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

UNHINDERED = [
    {"kind": "rate_limit", "per": per, "limit": 1_000_000, "window_s": 60, "when_unavailable": "refuse"} | of
    for per, of in (("client", {}), ("connection", {"match": {"operations": ["system/*"]}}))
]
"""Quotas that no test meets, so that every answer is the operation's own."""


def lift_quotas(config: Path) -> None:
    """Write the quotas that no test meets into the installation's policies."""
    (config.parent / "policies" / "90-tests.yaml").write_text(yaml.safe_dump({"policies": UNHINDERED}))


def on_fakes(built: Parts, erp: FakeErp, psa: FakePsa) -> Parts:
    """Return the parts, with the fakes as the sample's connections."""
    erps, psas = {erp.connection: erp}, {psa.connection: psa}
    landscape = landscape_of(built.installation.settings, erps, psas)
    return replace(built, erps=erps, psas=psas, landscape=landscape)

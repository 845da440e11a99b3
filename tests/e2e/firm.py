"""A firm with two customers in two legal entities: the things of one are planted whole, the other is a stranger.

No worker carries anything out; what one would have noted is written into the database.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from msgspec.structs import replace

from gateway.contract import Operation
from gateway.store import cross_references
from gateway.store.cross_references import NewReference
from process_apis.ledger import projects
from tests.contracts.objects import Objects
from tests.e2e.firm_money import Money, bodies_of_money
from tests.e2e.product import Product, product_on_fakes
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import document

WORD: Final = "quillfeather"
"""Stands in everything that is planted for the owner, and in nothing else."""
BOOKS, DELIVERY = "/system/books/erp/v1", "/system/delivery/psa/v1"
ADDRESS = {"street": "1 Market Street", "city": "Valencia", "country": "ES"}

Planted = dict[str, str]
NAMED: Final = (
    *("onboarding", "project", "customer", "work_item"),
    *("contract", "sale", "number", "hold", "override", "release", "recall", "run", "milestone", "request"),
)
"""The ids under which what is planted is known."""
STRANGERS: Final = ("another entity", "an entity of another connection", "another customer", "another project")
"""Whose tokens are tried: each is limited in one thing, and may see all the rest."""


class Case(NamedTuple):
    """The owner's things, one of each kind; `ids` are what nobody else is told."""

    ids: Planted
    bodies: dict[str, Any]

    def secrets(self) -> list[str]:
        """Return what must not stand in a stranger's answer."""
        return [WORD, *(self.ids[name] for name in NAMED if name in self.ids)]


class Firm:
    """The product, another customer's onboarding in it, and tokens."""

    def __init__(self, product: Product, psa: FakePsa) -> None:
        self.product, self._psa, self._numbers = product, psa, iter(range(10_000))
        self.objects = Objects(product.parts.store)
        self._money = Money(product, self._made, WORD)
        self.other: Planted = {}
        self.everybody = product.client()
        self.candidate: dict[str, Any] = {}
        """The policies that are tried, as they were proposed."""

    async def open(self) -> None:
        """Onboard the other customer."""
        self.other = await self._onboarded(document(legal_entity="DE01", **named("other", 0)))

    def stranger(self, limit: str) -> httpx.AsyncClient:
        """Return a client that may see nothing of the owner's."""
        match limit:
            case "another entity":
                return self.product.client(entities=("DE01",))
            case "an entity of another connection":
                return self.product.client(entities=("GB01",))
            case "another customer":
                return self.product.client(customers=(self.other["customer"],))
        return self.product.client(projects=(self.other["project"],))

    def owner(self, case: Case, operation: Operation) -> httpx.AsyncClient:
        """Return a client that may see the owner's things and nothing else."""
        portal = {"customers": (case.ids["customer"],), "projects": (case.ids["project"],)}
        return self.product.client(entities=("ES01",), **({} if operation.connection else portal))

    async def plant(self) -> Case:
        """Return a case of the owner's, with one of each thing."""
        number = next(self._numbers)
        ids = await self._in_systems(number)
        body = document(**named(WORD, number))
        ids |= await self._onboarded(body) | {"opportunity": body["opportunity"]["id"], "word": WORD}
        ids["process_key"] = f"onb_crm1_{ids['opportunity']}_1"
        ids["work_item"] = await self.objects.park_for_somebody(ids["onboarding"])
        await self._refer(ids)
        return Case(ids, bodies_of(ids, number, body))

    async def plant_all(self) -> Case:
        """Return a case with what is on the path of money as well, for which its projects take time and postings."""
        case, number = await self.plant(), next(self._numbers)
        ids = case.ids | await self._money.plant(case.ids, number) | await self._governed(number)
        bodies = case.bodies | bodies_of_money(self._money, ids, number, WORD)
        return Case(ids, bodies | {"candidate": self.candidate})

    async def _governed(self, number: int) -> Planted:
        """Have another set of policies loaded, somebody denied, and that written down."""
        own = self.product.settings.path("policies") / "95-own.yaml"
        await asyncio.to_thread(own.write_text, f"policies: []  # {number}")
        base = "/platform/governance/v1"
        assert (await self.everybody.post(f"{base}/policy-reloads")).is_success
        files = {file.name: file.read_text("utf-8") for file in sorted(own.parent.glob("*.yaml"))}
        self.candidate = {"files": files | {own.name: f"policies: []  # {number}, tried first"}}
        tried = await self.everybody.post(f"{base}/policy-candidates", json=self.candidate)
        assert tried.is_success, tried.text
        new = {"kind": "token", "value": f"jti-{number}", "reason": "Seen in a log."}
        denied = await self.everybody.post(f"{base}/denials", json=new)
        (decision,) = (await self.everybody.get(f"{base}/decisions?limit=1")).json()["items"]
        return {"denial": denied.json()["id"], "decision": decision["id"], "candidate": tried.json()["id"]}

    async def _onboarded(self, body: dict[str, Any]) -> Planted:
        made = await self._made("/process/project-onboarding/v1/onboardings", body)
        return {"onboarding": made["id"], "project": made["project"]["id"], "customer": made["customer"]["id"]}

    async def _in_systems(self, number: int) -> Planted:
        """Put a customer, a project and its parts into the systems, each with a twin, so that lists have two pages."""
        code, ours = f"Q-{number}", {"legal_entity": "ES01", "name": f"{WORD} {number}"}
        keys = {name: f"{name}_{WORD}_{number}" for name in ("customer_key", "erp_project_key", "psa_project_key")}
        new = ours | {"country": "ES", "billing_address": ADDRESS}
        customer = await self._made(f"{BOOKS}/customers", new | {"business_key": keys["customer_key"]})
        await self._made(f"{BOOKS}/customers", new | {"business_key": f"twin_{number}"})
        new = ours | {"code": code, "customer_id": customer["id"], "dimensions": []}
        account = await self._made(f"{BOOKS}/accounting-projects", new | {"business_key": keys["erp_project_key"]})
        twin = {"business_key": f"twin_project_{number}", "legal_entity": "DE01", "name": "Twin"}
        await self._made(f"{BOOKS}/accounting-projects", new | twin)
        project_id = await self._project(ours | {"business_key": keys["psa_project_key"], "code": code})
        ids = {"erp_customer": customer["id"], "erp_project": account["id"], "psa_project": project_id}
        return keys | ids | {"code": code, "erp_customer_version": customer["version"]}

    async def _project(self, ours: dict[str, str]) -> str:
        new = ours | {"customer": {"business_key": "cus_1", "name": WORD}, "start": "2026-12-01"}
        project = await self._made(f"{DELIVERY}/projects", new)
        self._twin_of(project["id"])
        for part in ("tasks", "milestones"):
            for name in ("first", "second"):
                path = f"{DELIVERY}/projects/{project['id']}/{part}"
                await self._made(path, {"business_key": f"{name}_{new['code']}", "name": f"{WORD} {name}"})
        return str(project["id"])

    def _twin_of(self, project_id: str) -> None:
        """Put another entity's project with the same code beside it, as some PSAs allow."""
        twin = {
            "id": f"{project_id}-twin",
            "legal_entity": "DE01",
            "name": "Twin",
            "customer_name": "",
            "business_key": None,
        }
        self._psa.projects.put(replace(self._psa.projects.get(project_id), **twin), self._psa.clock())

    async def _refer(self, ids: Planted) -> None:
        """Note what a worker would have noted of the two systems."""
        store, of_project = self.product.parts.store, {"legal_entity": "ES01", "project": ids["project"]}
        await projects.change_project(store, ids["project"], code=ids["code"])
        for kind, connection, theirs, owners in (
            ("project", "books", "erp_project", of_project),
            ("project", "delivery", "psa_project", of_project),
            ("customer", "books", "erp_customer", {}),
        ):
            reference = NewReference(
                canonical_id=ids[kind],
                object_type=kind,
                system="fake",
                instance=connection,
                external_id=ids[theirs],
                customer=ids["customer"],
                **owners,
            )
            await cross_references.establish(store, reference)

    async def _made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Idempotency-Key": f'"{uuid.uuid4()}"'} if path.startswith("/process") else {}
        answer = await self.everybody.post(path, json=body or None, headers=headers)
        assert answer.is_success, answer.text
        made: dict[str, Any] = answer.json()
        return made


@asynccontextmanager
async def firm_on_fakes(folder: Path) -> AsyncIterator[Firm]:
    """Open the firm on fakes that count."""
    psa = FakePsa()
    async with product_on_fakes(folder, FakeErp(), psa) as composed:
        opened = Firm(composed, psa)
        await opened.open()
        yield opened


def named(word: str, number: int) -> dict[str, Any]:
    """Return what tells one statement of work from another; the customer is like none that the ERP has."""
    return {
        "opportunity__id": f"{word}-{number}",
        "customer__account": f"{word}-{number}",
        "customer__name": "Heron & Sons",
        "customer__legal_name": "Heron & Sons S.A.",
        "customer__tax_id": None,
        "customer__no_tax_id_reason": "applied_for",
        "project__name": f"{word} {number}",
    }


def bodies_of(ids: Planted, number: int, statement_of_work: dict[str, Any]) -> dict[str, Any]:
    """Return a body for each operation that takes one."""
    fresh = {"business_key": f"fresh_{number}", "legal_entity": "ES01", "name": f"{WORD} fresh"}
    customer = {"business_key": "cus_1", "name": WORD}
    return {
        "customer": fresh | {"country": "ES", "billing_address": ADDRESS},
        "customer_change": {"name": f"{WORD} renamed {number}"},
        "accounting_project": fresh | {"code": f"F-{number}", "customer_id": ids["erp_customer"], "dimensions": []},
        "project": fresh | {"code": f"F-{number}", "customer": customer, "start": "2026-12-01"},
        "part": {"business_key": f"fresh_{number}", "name": f"{WORD} fresh"},
        "statement_of_work": statement_of_work,
        "decision": {"note": "Opened."},
        "explained": {"method": "GET", "target": "/process/status/v1/project-statuses/prj_1"},
        "denial": {"kind": "token", "value": f"jti-{number}-again", "reason": "Seen in a log."},
        "flush": {},
        "assignment": {"assignee": "ana.ruiz"},
        "resumption": {"decision": {}},
    }

"""Approved time, a hold and an invoice, from people's desks to Tryton's ledger: both pairs of databases, either PSA.

Each story is played once; the tests look at what was seen on the way, and at the books. All amounts are computed by
hand.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from examples.demo.orders import euros
from tests.e2e.conftest import Live
from tests.e2e.money_story import ACCRUED, COST, OWED, REVENUE, Office, office
from tests.e2e.test_story import signed

Document = dict[str, Any]


class Figures(NamedTuple):
    """What the twenty minutes come to, and all that they are in."""

    minutes: str
    minutes_cost: str
    cost: str
    time: str
    net: str
    tax: str
    gross: str
    halves: tuple[tuple[str, str, str], tuple[str, str, str]]


# Ana is billed at 120.00 an hour and costs 38.00, Ben at 185.00 and 42.00. Ana's 450 and 150 minutes are 900.00 and
# 300.00, and cost 285.00 and 95.00. Ben's 20 minutes are 185.00 / 3 = 61.666… = 61.67, and cost 42.00 / 3 = 14.00.
# With the milestone of 18,000.00 the net is 900.00 + 300.00 + 61.67 + 18,000.00 = 19,261.67; 21 % of it is 4,044.9507.
# Half of 61.67 is 30.835 for each of two payers: 30.84 and 30.83, whose 21 % are 6.4764 and 6.4743.
OF_MINUTES = Figures(
    minutes="61.67",
    minutes_cost="14.00",
    cost="394.00",
    time="1261.67",
    net="19261.67",
    tax="4044.95",
    gross="23306.62",
    halves=(("30.84", "6.48", "37.32"), ("30.83", "6.47", "37.30")),
)
# Redmine keeps hours with two decimals: 20 minutes are 0.33 h, which are 61.05, and cost 13.86. 21 % of 19,261.05 is
# 4,044.8205. Half of 61.05 is 30.525: 30.53 and 30.52, whose 21 % are 6.4113 and 6.4092.
OF_HOURS = Figures(
    minutes="61.05",
    minutes_cost="13.86",
    cost="393.86",
    time="1261.05",
    net="19261.05",
    tax="4044.82",
    gross="23305.87",
    halves=(("30.53", "6.41", "36.94"), ("30.52", "6.41", "36.93")),
)


class Story(NamedTuple):
    """What was seen while it was played."""

    office: Office
    figures: Figures
    entries: dict[str, str]
    """The PSA's ids, by what was done."""
    refused: Document
    """The entry of 25 hours."""
    item: Document
    """The work item of it, while it was open."""
    mended: Document
    at_work: Document
    """The project's status before anything was released."""
    hold: Document
    flagged: bool
    """Whether the PSA showed the hold."""
    held: Document
    """The request of the first release."""
    preview: Document
    posted: Document
    met: list[Document]
    """The requests of two releases that were asked for at once."""
    after: Document
    """The request of one more release."""
    billed: Document
    """The project's status in the end."""
    invoice: Document
    """What the invoice is made of."""


@pytest.fixture(scope="module")
def story(live: Live) -> Iterator[Story]:
    """Play it: time is booked, refused, mended and taken back; a release is held, let go, and made once."""
    with office(live, signed()) as here:
        entries = {
            "loader": here.book("Ana Ruiz", 450, "Interface of the loader"),
            "call": here.book("Ben Okafor", 20, "Call about the cut-over"),
            "review": here.book("Ben Okafor", 240, "Review of the data model", day=4),
            "typo": here.book("Ana Ruiz", 1500, "Price list import", day=5),
        }
        here.carry_over(entries["loader"], entries["call"], entries["review"])
        (refused,) = here.carry_over(entries["typo"], until="rejected_validation")
        item = here.item(refused["work_item"])
        here.correct(entries["typo"], 150)
        here.desks.recall(entries["review"])
        (mended,) = here.carry_over(entries["typo"])
        here.carry_over(entries["review"], until="reversed")

        at_work = here.status()
        hold = here.hold("CASE-77")
        (held,) = here.released()
        flagged = here.flagged(shown=True)
        here.lift(hold)
        assert not here.flagged(shown=False), "The release would be held by the flag."
        here.approve_milestone("Design accepted")
        (preview,) = here.previewed()
        answers = [here.ask_release() for _ in range(2)]
        (posted,) = here.crm.follow(answers[0].headers["Location"])["requests"]
        (after,) = here.released()
        (invoice,) = here.made_of(posted["invoice"]["number"])
        yield Story(
            office=here,
            figures=OF_HOURS if live.redmine else OF_MINUTES,
            entries=entries,
            refused=refused,
            item=item,
            mended=mended,
            at_work=at_work,
            hold=hold,
            flagged=flagged,
            held=held,
            preview=preview,
            posted=posted,
            met=[request for answer in answers for request in answer.json()["requests"]],
            after=after,
            billed=here.status(),
            invoice=invoice,
        )


def test_each_approved_entry_is_two_postings_in_the_ledger(story: Story) -> None:
    here, figures = story.office, story.figures
    key = f"tb_{here.live.delivery}_{{}}_r{{}}_{{}}".format
    loader, call, typo = (story.entries[name] for name in ("loader", "call", "typo"))

    found = here.postings(
        *(
            key(entry, revision, kind)
            for entry in (loader, call, typo)
            for revision in (1, 2)
            for kind in ("cost", "sale")
        )
    )

    assert found == {
        key(loader, 1, "sale"): {ACCRUED: "900.00", REVENUE: "-900.00"},
        key(loader, 1, "cost"): {COST: "285.00", OWED: "-285.00"},
        key(call, 1, "sale"): {ACCRUED: figures.minutes, REVENUE: f"-{figures.minutes}"},
        key(call, 1, "cost"): {COST: figures.minutes_cost, OWED: f"-{figures.minutes_cost}"},
        key(typo, 2, "sale"): {ACCRUED: "300.00", REVENUE: "-300.00"},
        key(typo, 2, "cost"): {COST: "95.00", OWED: "-95.00"},
    }


def test_refused_entry_asks_somebody_and_closes_by_itself_once_mended(story: Story) -> None:
    here, item = story.office, story.item

    assert (story.refused["code"], story.refused["facts"]) == ("quantity.out_of_range", [])
    # 1,500 minutes are 25 hours, at 120.00.
    assert (item["state"], item["code"], item["amount_at_risk"]) == ("open", "quantity.out_of_range", euros("3000.00"))
    assert (story.mended["transfer"], story.mended["amount"], story.mended["work_item"]) == (
        "posted",
        euros("300.00"),
        None,
    )
    assert here.item(item["id"])["state"] == "auto_resolved"


def test_recalled_entry_is_reversed_posting_by_posting(story: Story) -> None:
    here = story.office
    key = f"tb_{here.live.delivery}_{story.entries['review']}_r1_{{}}".format

    found = here.postings(*(key(kind) for kind in ("cost", "sale", "cost_rev", "sale_rev")))

    # 240 minutes at 185.00 are 740.00, and at 42.00 168.00.
    assert found == {
        key("sale"): {ACCRUED: "740.00", REVENUE: "-740.00"},
        key("cost"): {COST: "168.00", OWED: "-168.00"},
        key("sale_rev"): {ACCRUED: "-740.00", REVENUE: "740.00"},
        key("cost_rev"): {COST: "-168.00", OWED: "168.00"},
    }


def test_hold_stops_the_release_before_anything_is_sent(story: Story) -> None:
    held = story.held

    assert story.hold["in_force"]
    assert (held["state"], held["code"], held["invoice"]) == ("held", "billing.hold_active", None)
    assert [hold["id"] for hold in held["holds"]] == [story.hold["id"]]
    assert "create_invoice" not in {step["name"] for step in held["steps"] if step["state"] == "done"}
    assert story.flagged, "People see it in the PSA, too."


def test_preview_is_what_is_posted_to_the_cent(story: Story) -> None:
    figures, expected = story.figures, story.preview["expected"]
    invoice = story.posted["invoice"]

    assert story.preview["state"] == "validated"
    assert expected == {"net": euros(figures.net), "tax": euros(figures.tax), "gross": euros(figures.gross)}
    assert {name: invoice[name] for name in expected} == expected
    assert invoice["balance"] == expected["gross"]
    nets = [line["net"]["amount"] for line in story.preview["lines"]]
    assert nets == ["18000.00", "1200.00", figures.minutes], "Design, consultant, lead."


def test_ledger_has_one_invoice_and_no_accrued_income_any_more(story: Story) -> None:
    here, figures = story.office, story.figures

    keys = {story.held["business_key"], story.posted["business_key"], story.after["business_key"]}
    assert here.invoices(*keys) == [("posted", figures.net, figures.tax, figures.gross)]
    assert here.balance(ACCRUED) == "0.00"
    assert here.balance(REVENUE) == f"-{figures.net}"
    assert here.balance(COST) == figures.cost


def test_release_asked_for_twice_at_once_is_one_request(story: Story) -> None:
    assert [(one["process_id"], one["attempt"]) for one in story.met] == [
        (story.posted["process_id"], story.posted["attempt"])
    ] * 2


def test_next_release_finds_nothing_to_bill(story: Story) -> None:
    assert (story.after["state"], story.after["invoice"]) == ("nothing_to_bill", None)


def test_status_says_how_much_stands_where(story: Story) -> None:
    time, all_of_it = story.figures.time, story.figures.net
    amounts = [
        {name: amount["amount"] for name, amount in status["amounts"][0].items() if name != "currency"}
        for status in (story.at_work, story.billed)
    ]

    nothing = {"held": "0.00", "ready": "0.00", "requested": "0.00", "billed": "0.00", "paid": "0.00"}
    assert amounts == [
        nothing | {"approved": time, "posted": time, "ready": time},
        nothing | {"approved": all_of_it, "posted": time, "billed": all_of_it},
    ]


def test_invoice_is_shown_line_by_line_down_to_the_hours(story: Story) -> None:
    shown, figures, entries = story.invoice, story.figures, story.entries

    assert (shown["state"], shown["invoice"]["balance"]) == ("posted", euros(figures.gross))
    assert [
        (line["net"]["amount"], {entry["id"] for entry in line["entries"] if entry["person"]})
        for line in shown["lines"]
    ] == [
        ("18000.00", set()),
        ("1200.00", {entries["loader"], entries["typo"]}),
        (figures.minutes, {entries["call"]}),
    ]
    costs = [entry["cost"] for line in shown["lines"] for entry in line["entries"]]
    assert {cost["currency"] for cost in costs if cost} == {"EUR"}, "The CRM's token carries finance:read here."


def test_people_in_the_psa_see_what_became_of_their_time_and_the_invoice(story: Story) -> None:
    desks, invoice = story.office.desks, story.posted["invoice"]
    shown = {name: desks.shown(entry) for name, entry in story.entries.items()}
    told = desks.told(story.office.code)

    assert f"{story.figures.minutes} EUR" in shown["call"]
    assert "300.00 EUR" in shown["typo"]
    assert all(invoice["number"] in shown[name] for name in ("loader", "call", "typo"))
    assert invoice["number"] not in shown["review"], "It was taken back."
    for text in (invoice["number"], story.figures.net, story.figures.tax):
        assert text in told


class Shared(NamedTuple):
    """A project that two customers pay for, with a cap."""

    office: Office
    figures: Figures
    payers: list[str]
    """Their ids; the cent that cannot be halved goes to the account that comes first."""
    call: Document
    over: Document
    """The entry that the cap has no room for."""
    requests: list[Document]


@pytest.fixture(scope="module")
def shared(live: Live, story: Story) -> Iterator[Shared]:
    """Play it: two entries, of which one fits under the cap, and one release."""
    body = signed()
    accounts = (body["customer"]["account"], story.office.account)
    body["splits"] = [{"account": account, "percent": "50"} for account in accounts]
    body["lines"][1]["cap"] = euros("150.00")
    with office(live, body) as here:
        (call,) = here.carry_over(here.book("Ben Okafor", 20, "Call about the cut-over"))
        (over,) = here.carry_over(here.book("Ana Ruiz", 60, "Interface of the loader", day=4))
        payers = [one.customer for one in sorted((here, story.office), key=lambda one: one.account)]
        yield Shared(here, story.figures, payers, call, over, here.released())


def test_two_payers_get_an_invoice_each_and_together_pay_every_cent(shared: Shared) -> None:
    here = shared.office
    parts = {one["customer"]["id"]: one for one in shared.requests}

    assert {one["state"] for one in shared.requests} == {"posted"}
    for payer, (net, tax, gross) in zip(shared.payers, shared.figures.halves, strict=True):
        assert parts[payer]["expected"] == {"net": euros(net), "tax": euros(tax), "gross": euros(gross)}
        assert here.invoices(parts[payer]["business_key"]) == [("posted", net, tax, gross)]
    assert (here.balance(ACCRUED), here.balance(REVENUE)) == ("0.00", f"-{shared.figures.minutes}")


def test_what_the_cap_has_no_room_for_costs_and_is_not_sold(shared: Shared) -> None:
    here, item = shared.office, shared.office.item(shared.over["work_item"])
    sales = [fact for fact in shared.over["facts"] if fact["kind"] == "unbilled_sale"]
    key = f"tb_{here.live.delivery}_{shared.over['external_id']}_r1_{{}}".format

    # 61.67 of 150.00 are taken; an hour at 120.00 is more than the 88.33 that are left. It costs 38.00 all the same.
    assert (shared.over["billing"], item["code"]) == ("cap_failed", "contract.cap_exceeded")
    assert item["amount_at_risk"] == euros("120.00")
    assert {(fact["posting"], fact["billing"], fact["net"]["amount"]) for fact in sales} == {
        ("skipped", "cap_failed", "60.00")
    }
    assert here.postings(key("cost"), *(fact["business_key"] for fact in sales)) == {
        key("cost"): {COST: "38.00", OWED: "-38.00"}
    }

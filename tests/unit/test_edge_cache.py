"""How fresh: who gets which kept answer, for how long, and what ends it."""

from tests.edge_world import CUSTOMER, CUSTOMERS, ONBOARDINGS, STATUS, Seen, World

KEY = [("Idempotency-Key", '"0123456789"')]


async def test_answer_is_repeated_while_it_is_fresh(world: World) -> None:
    first = await world.send("GET", STATUS)
    world.clock.forward(7)
    again = await world.send("GET", STATUS)
    world.clock.forward(3)
    later = await world.send("GET", STATUS)

    assert [first.json, again.json, later.json] == [{"number": 1}, {"number": 1}, {"number": 2}]
    assert first.headers["cache-status"] == '"tiebeam"; fwd=uri-miss; stored'
    assert again.headers["cache-status"] == '"tiebeam"; hit; ttl=3'
    assert (again.headers["age"], "age" in first.headers) == ("7", False)
    assert first.headers["cache-control"] == again.headers["cache-control"] == "private, no-cache"


async def test_kept_answer_counts_against_the_quota_and_tells_its_own(world: World) -> None:
    first = await world.send("GET", STATUS, headers=[("X-Correlation-ID", "first-call")])
    again = await world.send("GET", STATUS, headers=[("X-Correlation-ID", "second-call")])

    assert [value for name, value in again.fields if name == "ratelimit"] == ['"client";r=98;t=2']
    assert first.headers["ratelimit"] == '"client";r=99;t=1'
    assert [value for name, value in again.fields if name == "x-correlation-id"] == ["second-call"]


async def test_another_identity_never_gets_the_answer(world: World) -> None:
    tokens = [
        world.token(),
        world.token("portal"),
        world.token(subject="somebody"),
        world.token(scopes=("status:read",)),
        world.token(legal_entities=("ES01",)),
        world.token(customers=("17",)),
        world.token(projects=("17",)),
    ]
    numbers = [(await world.send("GET", STATUS, token=token)).json["number"] for token in tokens]
    again = [(await world.send("GET", STATUS, token=token)).json["number"] for token in tokens]

    assert numbers == again == [1, 2, 3, 4, 5, 6, 7]


async def test_every_part_of_the_request_tells_answers_apart(world: World) -> None:
    await world.send("GET", STATUS)

    assert (await world.send("GET", f"{STATUS}?fresh=true")).json == {"number": 2}
    assert (await world.send("GET", STATUS + "2")).json == {"number": 3}
    assert (await world.send("GET", STATUS, headers=[("Accept", "text/html")])).json == {"number": 4}
    assert (await world.send("GET", CUSTOMER)).json == {"number": 5}
    assert (await world.send("GET", CUSTOMER.replace("books", "ledger"))).json == {"number": 6}
    assert (await world.send("GET", STATUS.replace("p", "%70"))).json == {"number": 1}


async def test_write_ends_what_its_api_said(world: World) -> None:
    await world.send("GET", CUSTOMER)
    await world.send("GET", CUSTOMER.replace("books", "ledger"))
    await world.send("GET", STATUS)
    await world.send("POST", CUSTOMERS)

    assert (await world.send("GET", CUSTOMER)).json == {"number": 5}
    assert (await world.send("GET", CUSTOMER.replace("books", "ledger"))).json == {"number": 2}
    assert (await world.send("GET", STATUS)).json == {"number": 3}


async def test_write_of_an_api_that_the_row_names_ends_it_too(world: World) -> None:
    await world.send("GET", STATUS)
    await world.send("POST", ONBOARDINGS, headers=KEY)

    assert (await world.send("GET", STATUS)).json == {"number": 3}


async def test_refused_write_ends_nothing_and_an_uncertain_one_does(world: World) -> None:
    await world.send("GET", CUSTOMER)
    for status, number in ((422, 1), (504, 4)):

        async def respond(_seen: Seen, status: int = status) -> tuple[int, dict[str, str], bytes]:
            return status, {}, b""

        world.framework.respond = respond
        await world.send("POST", CUSTOMERS)
        world.framework.respond = world.framework.count

        assert (await world.send("GET", CUSTOMER)).json == {"number": number}


async def test_read_that_overtook_a_write_is_not_kept_for_others(world: World) -> None:
    async def respond(seen: Seen) -> tuple[int, dict[str, str], bytes]:
        world.framework.respond = world.framework.count
        await world.send("POST", CUSTOMERS)
        return await world.framework.count(seen)

    world.framework.respond = respond
    await world.send("GET", CUSTOMER)

    assert (await world.send("GET", CUSTOMER)).json == {"number": 3}


async def test_only_good_json_is_kept(world: World) -> None:
    answers = [
        (404, {"content-type": "application/problem+json"}, b'{"status": 404, "code": "resource.not_found"}'),
        (200, {"content-type": "text/html"}, b""),
        (200, {"content-type": "application/json", "vary": "*"}, b"{}"),
        (200, {}, b"{}"),
    ]
    for answer in answers:

        async def respond(
            _seen: Seen, answer: tuple[int, dict[str, str], bytes] = answer
        ) -> tuple[int, dict[str, str], bytes]:
            return answer

        world.framework.respond = respond
        replies = [await world.send("GET", STATUS) for _ in range(2)]

        assert [reply.headers["cache-status"] for reply in replies] == ['"tiebeam"; fwd=uri-miss'] * 2


async def test_problem_is_kept_by_nobody(world: World) -> None:
    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        return 404, {}, b""

    world.framework.respond = respond

    assert (await world.send("GET", STATUS)).headers["cache-control"] == "no-store"
    assert (await world.send("GET", STATUS, token=None)).headers["cache-control"] == "no-store"


async def test_caller_may_ask_for_a_fresh_answer_and_others_get_it_then(world: World) -> None:
    await world.send("GET", STATUS)
    fresh = await world.send("GET", STATUS, headers=[("Cache-Control", "no-cache")])
    again = await world.send("GET", STATUS)

    assert fresh.json == again.json == {"number": 2}


async def test_caller_may_ask_that_nothing_is_kept(world: World) -> None:
    await world.send("GET", STATUS, headers=[("Cache-Control", "no-store")])

    assert (await world.send("GET", STATUS)).json == {"number": 2}


async def test_caller_who_has_the_answer_gets_304(world: World) -> None:
    first = await world.send("GET", STATUS)
    etag = first.headers["etag"]
    same = await world.send("GET", STATUS, headers=[("If-None-Match", f'"x", W/{etag}')])
    other = await world.send("GET", STATUS, headers=[("If-None-Match", '"x"')])
    anything = await world.send("GET", STATUS, headers=[("If-None-Match", "*")])

    assert (same.status, same.body, same.headers["etag"]) == (304, b"", etag)
    assert "content-type" not in same.headers
    assert "content-length" not in same.headers
    assert (other.status, anything.status) == (200, 304)


async def test_etag_of_the_object_stays(world: World) -> None:
    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        return 200, {"content-type": "application/json", "etag": '"7"'}, b"{}"

    world.framework.respond = respond
    fresh = await world.send("GET", CUSTOMER)
    kept = await world.send("GET", CUSTOMER)

    assert fresh.headers["etag"] == kept.headers["etag"] == '"7"'


async def test_head_is_answered_from_what_a_get_left(world: World) -> None:
    got = await world.send("GET", STATUS)
    head = await world.send("HEAD", STATUS)

    assert (head.body, head.headers["content-length"]) == (b"", str(len(got.body)))
    assert len(world.framework.seen) == 1

"""The rows of `test_cache_table.py`: two reads of one thing, and what the second one gets."""

from msgspec import Struct

RFC_DATE, LATER, EARLIER = (f"Wed, 25 Nov 2026 {hour}:00:00 GMT" for hour in ("10", "11", "09"))
PLAIN = "fresh_s: 10"
WINDOWS = "fresh_s: 10, stale_while_revalidate_s: 10, stale_if_error_s: 60"
ERROR_ONLY = "fresh_s: 10, stale_if_error_s: 60"
DEAF = "fresh_s: 10, refresh_by: nobody"
SHARED = "fresh_s: 10, shared_by: visibility"
BY_LANGUAGE = "fresh_s: 10, vary: [accept-language]"
ANEW = 'fresh_s: 10, anew: ["fresh=true"]'
STORED = "fwd=uri-miss; stored"

Headers = dict[str, str]


class Case(Struct, frozen=True):
    """One row: two reads, and what the second one gets."""

    name: str
    status: int
    age: str | None
    cache_status: str
    calls: int
    row: str = PLAIN
    answer: Headers = {}
    """Fields of what is answered, beside its type."""
    first: Headers = {}
    after_s: float = 0
    then: Headers = {}
    fails: int = 0
    """The status of the framework's second answer, where that is another one."""
    query: str = ""
    method: str = "GET"


CC, INM, IMS = "Cache-Control", "If-None-Match", "If-Modified-Since"
CASES = (
    # §4.2 Freshness
    Case("a fresh answer is repeated", 200, "0", "hit; ttl=10", 1),
    Case("its age grows", 200, "9", "hit; ttl=1", 1, after_s=9),
    Case("the last second counts", 200, "9", "hit; ttl=0", 1, after_s=9.5),
    Case("what is as old as its lifetime is stale", 200, None, "fwd=stale; stored", 2, after_s=10),
    Case("the maker may say less: max-age", 200, None, "fwd=stale; stored", 2, answer={CC: "max-age=5"}, after_s=5),
    Case(
        "the maker may say less, and is fresh until then",
        200,
        "4",
        "hit; ttl=1",
        1,
        answer={CC: "max-age=5"},
        after_s=4,
    ),
    Case("the maker cannot say more", 200, None, "fwd=stale; stored", 2, answer={CC: "max-age=99"}, after_s=10),
    Case("s-maxage goes before max-age", 200, "4", "hit; ttl=3", 1, answer={CC: "max-age=1, s-maxage=7"}, after_s=4),
    Case(
        "of two max-age the first counts",
        200,
        None,
        "fwd=stale; stored",
        2,
        answer={CC: "max-age=2, max-age=9"},
        after_s=3,
    ),
    Case("max-age=0 is not kept", 200, None, "fwd=uri-miss", 2, answer={CC: "max-age=0"}),
    Case("max-age that cannot be read is not kept", 200, None, "fwd=uri-miss", 2, answer={CC: "max-age=soon"}),
    Case("max-age may stand in quotes", 200, "4", "hit; ttl=1", 1, answer={CC: 'max-age="5"'}, after_s=4),
    Case("directives are of any case", 200, None, "fwd=uri-miss", 2, answer={CC: "No-Store"}),
    Case(
        "max-age beyond all measure is the row's",
        200,
        "9",
        "hit; ttl=1",
        1,
        answer={CC: "max-age=99999999999999"},
        after_s=9,
    ),
    Case("Expires less Date", 200, "9", "hit; ttl=1", 1, answer={"Expires": LATER, "Date": RFC_DATE}, after_s=9),
    Case("Expires in the past", 200, None, "fwd=uri-miss", 2, answer={"Expires": EARLIER, "Date": RFC_DATE}),
    Case("Expires that is no date", 200, None, "fwd=uri-miss", 2, answer={"Expires": "0", "Date": RFC_DATE}),
    Case("Expires without a Date", 200, None, "fwd=uri-miss", 2, answer={"Expires": LATER}),
    Case("max-age goes before Expires", 200, "4", "hit; ttl=1", 1, answer={CC: "max-age=5", "Expires": "0"}, after_s=4),
    Case("what was old when it came is as much older", 200, "7", "hit; ttl=3", 1, answer={"Age": "4"}, after_s=3),
    Case("what was too old when it came", 200, "10", "fwd=stale; stored", 2, answer={"Age": "10"}),
    # §3 What may be kept
    Case("no-store", 200, None, "fwd=uri-miss", 2, answer={CC: "no-store"}),
    Case("no-cache", 200, None, "fwd=uri-miss", 2, answer={CC: "no-cache"}),
    Case(
        "no-cache of a field keeps the rest", 200, "0", "hit; ttl=10", 1, answer={CC: 'no-cache="X-One"', "X-One": "1"}
    ),
    Case("private, for the identity", 200, "0", "hit; ttl=10", 1, answer={CC: "private"}),
    Case("private, where several share", 200, None, "fwd=uri-miss", 2, row=SHARED, answer={CC: "private"}),
    Case(
        "private of a field, where several share",
        200,
        "0",
        "hit; ttl=10",
        1,
        row=SHARED,
        answer={CC: 'private="X-One"', "X-One": "1"},
    ),
    Case("public", 200, "0", "hit; ttl=10", 1, answer={CC: "public"}),
    Case("a directive that nobody knows", 200, "0", "hit; ttl=10", 1, answer={CC: "immutable, community=UCI"}),
    Case("what is no document", 200, None, "fwd=uri-miss", 2, answer={"Content-Type": "text/html"}),
    Case(
        "a document with its charset",
        200,
        "0",
        "hit; ttl=10",
        1,
        answer={"Content-Type": "application/json; charset=utf-8"},
    ),
    # §4.1 Vary
    Case("Vary, alike", 200, "0", "hit; ttl=10", 1, answer={"Vary": "X-A"}, first={"X-A": "1"}, then={"X-A": "1"}),
    Case("Vary, alike because it is absent", 200, "0", "hit; ttl=10", 1, answer={"Vary": "X-A"}),
    Case(
        "Vary, other",
        200,
        None,
        "fwd=vary-miss; stored",
        2,
        answer={"Vary": "X-A"},
        first={"X-A": "1"},
        then={"X-A": "2"},
    ),
    Case("Vary, absent is not empty", 200, None, "fwd=vary-miss; stored", 2, answer={"Vary": "X-A"}, then={"X-A": ""}),
    Case(
        "Vary of two fields, one other",
        200,
        None,
        "fwd=vary-miss; stored",
        2,
        answer={"Vary": "X-A, X-B"},
        first={"X-A": "1"},
        then={"X-A": "1", "X-B": "1"},
    ),
    Case(
        "Vary names fields of any case",
        200,
        None,
        "fwd=vary-miss; stored",
        2,
        answer={"Vary": "x-a"},
        first={"X-A": "1"},
        then={"X-A": "2"},
    ),
    Case("Vary: *", 200, None, "fwd=uri-miss", 2, answer={"Vary": "*"}),
    Case("Vary: * among others", 200, None, "fwd=uri-miss", 2, answer={"Vary": "X-A, *"}),
    Case("Vary: Authorization", 200, None, "fwd=uri-miss", 2, answer={"Vary": "Authorization"}),
    Case("Vary: Cookie", 200, None, "fwd=uri-miss", 2, answer={"Vary": "Cookie"}),
    Case(
        "what the row lets vary, other",
        200,
        None,
        STORED,
        2,
        row=BY_LANGUAGE,
        first={"Accept-Language": "de"},
        then={"Accept-Language": "es"},
    ),
    Case(
        "what the row lets vary, alike",
        200,
        "0",
        "hit; ttl=10",
        1,
        row=BY_LANGUAGE,
        first={"Accept-Language": "de"},
        then={"Accept-Language": "de"},
    ),
    Case("another Accept", 200, None, STORED, 2, first={"Accept": "*/*"}, then={"Accept": "application/json"}),
    # §5.2.1 Requests
    Case("no-cache asks anew", 200, None, "fwd=request; stored", 2, then={CC: "no-cache"}),
    Case("no-store asks anew, and keeps nothing", 200, None, "fwd=request", 2, then={CC: "no-store"}),
    Case("no-store at first leaves nothing", 200, None, STORED, 2, first={CC: "no-store"}),
    Case(
        "max-age=0 asks anew of what has aged", 200, None, "fwd=request; stored", 2, after_s=1, then={CC: "max-age=0"}
    ),
    Case("max-age, young enough", 200, "3", "hit; ttl=7", 1, after_s=3, then={CC: "max-age=3"}),
    Case("max-age, too old", 200, None, "fwd=request; stored", 2, after_s=4, then={CC: "max-age=3"}),
    Case("max-age that cannot be read asks anew", 200, None, "fwd=request; stored", 2, then={CC: "max-age=x"}),
    Case("min-fresh, long enough", 200, "3", "hit; ttl=7", 1, after_s=3, then={CC: "min-fresh=7"}),
    Case("min-fresh, too short", 200, None, "fwd=request; stored", 2, after_s=4, then={CC: "min-fresh=7"}),
    Case("max-stale, not that stale", 200, "14", "hit; ttl=-4", 1, row=WINDOWS, after_s=14, then={CC: "max-stale=5"}),
    Case("max-stale, too stale", 200, None, "fwd=stale; stored", 2, row=PLAIN, after_s=15, then={CC: "max-stale=5"}),
    Case("max-stale without a number", 200, "40", "hit; ttl=-30", 1, after_s=40, then={CC: "max-stale"}),
    Case(
        "max-stale, but must-revalidate",
        200,
        None,
        "fwd=stale; stored",
        2,
        answer={CC: "must-revalidate"},
        after_s=14,
        then={CC: "max-stale"},
    ),
    Case("only-if-cached, and it is", 200, "3", "hit; ttl=7", 1, after_s=3, then={CC: "only-if-cached"}),
    Case("only-if-cached, and it is stale", 504, None, "", 1, after_s=10, then={CC: "only-if-cached"}),
    Case("only-if-cached and no-cache", 504, None, "", 1, then={CC: "only-if-cached, no-cache"}),
    Case("only-if-cached of what nobody kept", 504, None, "", 1, first={CC: "no-store"}, then={CC: "only-if-cached"}),
    Case("Pragma is no Cache-Control", 200, "0", "hit; ttl=10", 1, then={"Pragma": "no-cache"}),
    Case("Cache-Control that says nothing", 200, "0", "hit; ttl=10", 1, then={CC: ", ,"}),
    Case("a request that nobody understands", 200, "0", "hit; ttl=10", 1, then={CC: '=;"x'}),
    Case("a Range is not served in parts", 200, "0", "hit; ttl=10", 1, then={"Range": "bytes=0-1"}),
    Case("HEAD from what a GET left", 200, "4", "hit; ttl=6", 1, after_s=4, method="HEAD"),
    # who may not refresh
    Case("no-cache of one who may not", 200, "1", "hit; ttl=9", 1, row=DEAF, after_s=1, then={CC: "no-cache"}),
    Case("no-store of one who may not", 200, "1", "hit; ttl=9", 1, row=DEAF, after_s=1, then={CC: "no-store"}),
    Case("max-age of one who may not", 200, "1", "hit; ttl=9", 1, row=DEAF, after_s=1, then={CC: "max-age=0"}),
    Case("min-fresh of one who may not", 200, "1", "hit; ttl=9", 1, row=DEAF, after_s=1, then={CC: "min-fresh=99"}),
    Case("no-store of one who may not still keeps nothing", 200, None, STORED, 2, row=DEAF, first={CC: "no-store"}),
    # what the contract promises to ask anew
    Case("an item by which the systems are asked", 200, None, "fwd=bypass", 2, row=ANEW, query="?fresh=true"),
    Case("the same item in disguise", 200, None, "fwd=bypass", 2, row=ANEW, query="?%66resh=tru%65"),
    Case("the item with another value", 200, "0", "hit; ttl=10", 1, row=ANEW, query="?fresh=false"),
    Case("the item among others", 200, None, "fwd=bypass", 2, row=ANEW, query="?a=1&fresh=true"),
    # RFC 5861
    Case("stale-while-revalidate", 200, "12", "hit; ttl=-2", 2, row=WINDOWS, after_s=12),
    Case("a part of a second is stale already", 200, "10", "hit; ttl=-1", 2, row=WINDOWS, after_s=10.5),
    Case("stale-while-revalidate is over", 200, None, "fwd=stale; stored", 2, row=WINDOWS, after_s=20),
    Case(
        "stale-while-revalidate, but must-revalidate",
        200,
        None,
        "fwd=stale; stored",
        2,
        row=WINDOWS,
        answer={CC: "must-revalidate"},
        after_s=12,
    ),
    Case(
        "stale-while-revalidate, but no-cache",
        200,
        None,
        "fwd=stale; stored",
        2,
        row=WINDOWS,
        after_s=12,
        then={CC: "no-cache"},
    ),
    Case(
        "stale-while-revalidate, but max-age",
        200,
        None,
        "fwd=stale; stored",
        2,
        row=WINDOWS,
        after_s=12,
        then={CC: "max-age=30"},
    ),
    *(
        Case(
            f"stale-if-error at {status}",
            200,
            "30",
            f"fwd=stale; fwd-status={status}; ttl=-20; detail=stale-if-error",
            2,
            row=ERROR_ONLY,
            after_s=30,
            fails=status,
        )
        for status in (502, 503, 504)
    ),
    Case("500 is shown", 500, None, "fwd=stale", 2, row=ERROR_ONLY, after_s=30, fails=500),
    Case("404 is shown", 404, None, "fwd=stale", 2, row=ERROR_ONLY, after_s=30, fails=404),
    Case("stale-if-error is over", 503, None, "fwd=stale", 2, row=ERROR_ONLY, after_s=70, fails=503),
    Case(
        "stale-if-error, to the last second",
        200,
        "69",
        "fwd=stale; fwd-status=503; ttl=-59; detail=stale-if-error",
        2,
        row=ERROR_ONLY,
        after_s=69,
        fails=503,
    ),
    Case(
        "stale-if-error, but no-cache",
        503,
        None,
        "fwd=stale",
        2,
        row=ERROR_ONLY,
        after_s=30,
        fails=503,
        then={CC: "no-cache"},
    ),
    Case(
        "stale-if-error, but must-revalidate",
        503,
        None,
        "fwd=stale",
        2,
        row=ERROR_ONLY,
        answer={CC: "must-revalidate"},
        after_s=30,
        fails=503,
    ),
    Case(
        "an error though what is kept is fresh",
        200,
        "4",
        "fwd=request; fwd-status=503; ttl=6; detail=stale-if-error",
        2,
        row=ERROR_ONLY,
        after_s=4,
        fails=503,
        then={CC: "max-age=1"},
    ),
    Case("no row for errors", 503, None, "fwd=stale", 2, after_s=30, fails=503),
    # RFC 9110 §13
    Case("If-None-Match, the same", 304, "2", "hit; ttl=8", 1, answer={"ETag": '"7"'}, after_s=2, then={INM: '"7"'}),
    Case("If-None-Match, weak", 304, "0", "hit; ttl=10", 1, answer={"ETag": '"7"'}, then={INM: 'W/"7"'}),
    Case("a weak tag, strongly asked", 304, "0", "hit; ttl=10", 1, answer={"ETag": 'W/"7"'}, then={INM: '"7"'}),
    Case("If-None-Match in a list", 304, "0", "hit; ttl=10", 1, answer={"ETag": '"7"'}, then={INM: '"6", W/"7" , "8"'}),
    Case(
        "If-None-Match with commas inside",
        304,
        "0",
        "hit; ttl=10",
        1,
        answer={"ETag": '"a,b"'},
        then={INM: '"x,y","a,b"'},
    ),
    Case("half a tag is another one", 200, "0", "hit; ttl=10", 1, answer={"ETag": '"a,b"'}, then={INM: '"a'}),
    Case("If-None-Match: *", 304, "0", "hit; ttl=10", 1, then={INM: "*"}),
    Case("If-None-Match, another", 200, "0", "hit; ttl=10", 1, answer={"ETag": '"7"'}, then={INM: '"8"'}),
    Case("If-None-Match without quotes", 200, "0", "hit; ttl=10", 1, answer={"ETag": '"7"'}, then={INM: "7"}),
    Case(
        "If-None-Match of what is fetched",
        304,
        None,
        "fwd=stale; stored",
        2,
        answer={"ETag": '"7"'},
        after_s=10,
        then={INM: '"7"'},
    ),
    Case(
        "If-None-Match and no-cache",
        304,
        None,
        "fwd=request; stored",
        2,
        answer={"ETag": '"7"'},
        then={INM: '"7"', CC: "no-cache"},
    ),
    Case(
        "If-None-Match of what is stale by mistake",
        304,
        "30",
        "fwd=stale; fwd-status=503; ttl=-20; detail=stale-if-error",
        2,
        row=ERROR_ONLY,
        answer={"ETag": '"7"'},
        after_s=30,
        fails=503,
        then={INM: '"7"'},
    ),
    Case("If-Modified-Since without Last-Modified", 200, "0", "hit; ttl=10", 1, then={IMS: LATER}),
    Case(
        "If-Modified-Since, the same",
        304,
        "0",
        "hit; ttl=10",
        1,
        answer={"Last-Modified": RFC_DATE},
        then={IMS: RFC_DATE},
    ),
    Case("If-Modified-Since, later", 304, "0", "hit; ttl=10", 1, answer={"Last-Modified": RFC_DATE}, then={IMS: LATER}),
    Case(
        "If-Modified-Since, earlier",
        200,
        "0",
        "hit; ttl=10",
        1,
        answer={"Last-Modified": RFC_DATE},
        then={IMS: EARLIER},
    ),
    Case(
        "If-Modified-Since that is no date",
        200,
        "0",
        "hit; ttl=10",
        1,
        answer={"Last-Modified": RFC_DATE},
        then={IMS: "yesterday"},
    ),
    Case(
        "a tag goes before a date",
        200,
        "0",
        "hit; ttl=10",
        1,
        answer={"ETag": '"7"', "Last-Modified": RFC_DATE},
        then={INM: '"8"', IMS: RFC_DATE},
    ),
)

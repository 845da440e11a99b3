"""What the server is asked and what it answers: one script, which goes through a batch of questions in one step.

Times are microseconds by the server's clock, since replicas' clocks need not agree. All keys have one hash tag, because
one command may touch them all: the questions of many callers leave together, and topics belong to everybody.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from string import Template
from typing import Any, Final

from msgspec import Struct, msgpack

from gateway.counters import Places, Question, Told, bucket
from gateway.counters.memory import PLACE_WAIT_S

SECOND: Final = 1e6
_made = tuple.__new__  # A third of what Told's own constructor costs, for every request.
DONE: Final = Told(None, 0.0, (), (), ())
"""What is told where nothing was asked."""
Answers = list[list[Any]]
"""Of each thing: which limit or place refuses (from 1, 0 for none), the wait, how far each bucket is used, the ticket
of places that are held. At the end the numbers of all topics."""

REFUSAL: Final = b"-"
FORGOTTEN: Final = b"-NOSCRIPT"

SCRIPT: Final = Template("""
local time = redis.call('TIME')
local now = (time[1] - $epoch) * 1000000 + time[2]

local kept, taken = {}, {}
local found = #KEYS > 0 and redis.call('MGET', unpack(KEYS))
for i, key in ipairs(KEYS) do kept[key] = tonumber(found[i] or 0) end

local function is_full(key, most)
  if redis.call('ZCARD', key) < most then return false end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  return redis.call('ZCARD', key) >= most
end

local function ask(key, number, limits, places)
  local n, told, worst, which = #limits / 3, {0, 0}, 0, 0
  for i = 1, n do
    local used = math.max(kept[KEYS[key + i]] - now, 0)
    if used > limits[3 * i] then used = 0 end
    local wait = used + limits[3 * i - 2] - limits[3 * i - 1]
    if wait > $slack and wait > worst then worst, which = wait, i end
    told[i + 2] = used
  end
  local place = key + n
  for i = 1, #places / 2 do
    if which > 0 then break end
    if is_full(KEYS[place + i], places[2 * i - 1]) then worst, which = $place_wait, n + i end
  end
  told[1], told[2] = which, worst
  if which > 0 then return told end

  for i = 1, n do
    told[i + 2] = told[i + 2] + limits[3 * i - 2]
    kept[KEYS[key + i]], taken[KEYS[key + i]] = now + told[i + 2], told[i + 2]
  end
  if #places == 0 then return told end
  local ticket = ARGV[1] .. ':' .. number
  for i = 1, #places / 2 do
    redis.call('ZADD', KEYS[place + i], now + places[2 * i], ticket)
    redis.call('PEXPIRE', KEYS[place + i], math.ceil(places[2 * i] / 1000) + 1)
  end
  told[#told + 1] = ticket
  return told
end

local function move(key)  -- By the clock, so that no generation comes twice where the server has lost its keys.
  kept[key] = math.max(kept[key] + 1, now)
  redis.call('SET', key, string.format('%.0f', kept[key]))
end

local key, answers = 0, {}
for i = 2, #ARGV, 2 do
  local keys, what, limits, places = unpack(cmsgpack.unpack(ARGV[i]))
  for _ = 1, tonumber(ARGV[i + 1]) do
    if what == 'ask' then
      answers[#answers + 1] = ask(key, #answers + 1, limits, places)
    else
      for k = key + 1, key + keys do
        if what == 'move' then move(KEYS[k]) else redis.call('ZREM', KEYS[k], limits) end
      end
      answers[#answers + 1] = {}
    end
  end
  key = key + keys
end

for bucket, used in pairs(taken) do
  redis.call('SET', bucket, string.format('%.17g', kept[bucket]), 'PX', math.ceil(used / 1000) + 1)
end
local topics = {}
for i = key + 1, #KEYS do topics[i - key] = kept[KEYS[i]] end
answers[#answers + 1] = topics
return cmsgpack.pack(answers)
""").substitute(epoch=int(bucket.EPOCH), slack=bucket.SLACK_S * SECOND, place_wait=int(PLACE_WAIT_S * SECOND))
"""`key` is how many of KEYS are used up: of each thing its buckets, then its places, and behind all things the topics.
What several things ask of one bucket is read once and written once, and so is a topic."""


class Packed(Struct, frozen=True, eq=False):
    """One thing that is asked, as its part of a command: many things are joined and not packed."""

    keys: int
    key_part: bytes
    argument: bytes
    question: Question | None = None
    topics: bytes = b""
    """The keys of the question's topics."""


Together = Sequence[tuple[Packed, int]]
"""Things in the order in which they leave, and how often each is asked: one caller's calls of a turn ask the same."""


def packed_question(question: Question) -> Packed:
    """Return the question as it goes out; worked out once, and kept on the question."""
    kept = question.__dict__
    found: Packed | None = kept.get("valkey")
    if found is None:
        found = kept["valkey"] = _question(question)
    return found


def _question(question: Question) -> Packed:
    limits = [each * SECOND for pace in bucket.paces_of(question) for each in (pace.step, pace.full, pace.farthest)]
    places = [each for place in question.places for each in (place.most, place.lease_s * SECOND)]
    keys = [f"bucket:{limit.bucket}" for limit in question.limits]
    keys += [f"places:{place.name}" for place in question.places]
    argument = _argument(keys, "ask", limits, places)
    return Packed(len(keys), _keys(keys), argument, question, _keys(map(_generation, question.topics)))


def packed_move(topics: Sequence[str]) -> Packed:
    """Return the wish that each topic's next generation begin."""
    keys = list(map(_generation, topics))
    return Packed(len(keys), _keys(keys), _argument(keys, "move"))


def packed_leave(places: Sequence[Places], ticket: str) -> Packed:
    """Return the wish that the ticket's places be free."""
    keys = [f"places:{place.name}" for place in places]
    return Packed(len(keys), _keys(keys), _argument(keys, "leave", ticket))


def _generation(topic: str) -> str:
    return f"generation:{topic}"


def _keys(keys: Iterable[str]) -> bytes:
    return b"".join([_part(b"{tiebeam}:" + key.encode()) for key in keys])


def _argument(keys: Sequence[str], what: str, *more: object) -> bytes:
    return _part(msgpack.encode((len(keys), what, *more)))


def _part(value: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(value), value)


_HEADS: Final = {
    True: _part(b"EVALSHA") + _part(hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest().encode()),
    False: _part(b"EVAL") + _part(SCRIPT.encode()),
}


def command(things: Together, ticket: str, *, known: bool) -> bytes:
    """Return the command that asks all the things; where the script is not `known` there, it goes along."""
    topics = _topics(things)
    keys = sum([thing.keys for thing, _ in things]) + sum(map(len, topics))
    return b"".join(
        (
            b"*%d\r\n" % (4 + keys + 2 * len(things)),
            _HEADS[known],
            _part(b"%d" % keys),
            *[thing.key_part for thing, _ in things],
            *topics.values(),
            _part(ticket.encode()),
            *[part for thing, times in things for part in (thing.argument, _part(b"%d" % times))],
        )
    )


def _topics(things: Together) -> dict[tuple[str, ...], bytes]:
    """Return the topics of each question and their keys, once where several questions have the same."""
    return {thing.question.topics: thing.topics for thing, _ in things if thing.question}


def ticket_of(ticket: str, place: int) -> str:
    """Return what the thing at that place of a command with this ticket holds its places by."""
    return f"{ticket}:{place + 1}"


class Replies:
    """Takes apart what comes from the server (RESP 2): texts, and refusals, which alone begin with a minus here."""

    def __init__(self) -> None:
        self._rest = b""

    def after(self, data: bytes) -> Iterator[bytes]:
        """Yield each reply that is whole with these bytes."""
        rest = self._rest + data
        while True:
            head, end, behind = rest.partition(b"\r\n")
            if end and head.startswith(REFUSAL):
                reply, rest = head, behind
            elif end and len(behind) >= (size := int(head[1:])) + len(end):
                reply, rest = behind[:size], behind[size + len(end) :]
            else:
                break
            yield reply
        self._rest = rest


def told_by(reply: bytes, things: Together) -> Iterator[Told]:
    """Yield what each thing was told, in the order in which they left."""
    *answers, numbers = msgpack.decode(reply, type=Answers)
    generations, after = dict[tuple[str, ...], tuple[int, ...]](), 0
    for topics in _topics(things):
        generations[topics] = tuple(numbers[after : after + len(topics)])
        after += len(topics)
    answer = iter(answers)
    for thing, times in things:
        question = thing.question
        for told in islice(answer, times):
            yield _told(question, told, generations[question.topics]) if question else DONE


def _told(question: Question, answer: Sequence[Any], generations: tuple[int, ...]) -> Told:
    """Return the answer in words."""
    which = answer[0]
    if which:
        used_s = [each / SECOND for each in answer[2 : 2 + len(question.limits)]]
        return bucket.told(question, used_s, generations, which - 1, answer[1] / SECOND)
    used, left = [], []
    for (_, _, _, rate, burst, _), each in zip(bucket.paces_of(question), answer[2:], strict=False):
        taken = each / SECOND
        used.append(taken)
        left.append(int(burst - (taken - bucket.SLACK_S) * rate) if taken > bucket.SLACK_S else int(burst))
    ticket = answer[-1] if question.places else None
    return _made(Told, (None, 0.0, tuple(left), tuple(used), generations, ticket))

"""What the server is asked and what it answers: one script, which goes through a batch of questions in one step.

Times are microseconds by the server's clock, since replicas' clocks need not agree. All keys have one hash tag, because
one command may touch them all: the questions of many callers leave together, and topics belong to everybody.
"""

import hashlib
from collections.abc import Sequence
from string import Template
from typing import Any, Final, NamedTuple

from msgspec import msgpack

from gateway.counters import Places, Question, Told, bucket
from gateway.counters.memory import PLACE_WAIT_S

SECOND: Final = 1e6
Answers = list[list[Any]]
"""Of each thing: which limit or place refuses (from 1, 0 for none), the wait, how far each bucket is used, a number
for each topic, the ticket of places that are held."""

SCRIPT: Final = Template("""
local time = redis.call('TIME')
local now = (time[1] - $epoch) * 1000000 + time[2]

local function is_full(key, most)
  if redis.call('ZCARD', key) < most then return false end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  return redis.call('ZCARD', key) >= most
end

local function ask(key, ticket, limits, places, topics)
  local n, told, worst, which = #limits / 3, {0, 0}, 0, 0
  if n + topics > 0 then
    local kept = redis.call('MGET', unpack(KEYS, key + 1, key + n + topics))
    for i = 1, n do
      local used = math.max(tonumber(kept[i] or 0) - now, 0)
      if used > limits[3 * i] then used = 0 end
      local wait = used + limits[3 * i - 2] - limits[3 * i - 1]
      if wait > $slack and wait > worst then worst, which = wait, i end
      told[i + 2] = used
    end
    for i = n + 1, n + topics do told[i + 2] = tonumber(kept[i] or 0) end
  end
  local place = key + n + topics
  for i = 1, #places / 2 do
    if which > 0 then break end
    if is_full(KEYS[place + i], places[2 * i - 1]) then worst, which = $place_wait, n + i end
  end
  told[1], told[2] = which, worst
  if which > 0 then return told end

  for i = 1, n do
    told[i + 2] = told[i + 2] + limits[3 * i - 2]
    local tat = string.format('%.17g', now + told[i + 2])
    redis.call('SET', KEYS[key + i], tat, 'PX', math.ceil(told[i + 2] / 1000) + 1)
  end
  for i = 1, #places / 2 do
    redis.call('ZADD', KEYS[place + i], now + places[2 * i], ticket)
    redis.call('PEXPIRE', KEYS[place + i], math.ceil(places[2 * i] / 1000) + 1)
  end
  told[#told + 1] = ticket
  return told
end

local function move(key)  -- By the clock, so that no generation comes twice where the server has lost its keys.
  redis.call('SET', key, string.format('%.0f', math.max(tonumber(redis.call('GET', key) or 0) + 1, now)))
end

local key, answers = 0, {}
for i = 2, #ARGV do
  local keys, what, limits, places, topics = unpack(cmsgpack.unpack(ARGV[i]))
  if what == 'ask' then
    answers[i - 1] = ask(key, ARGV[1] .. ':' .. i, limits, places, topics)
  else
    for k = key + 1, key + keys do
      if what == 'move' then move(KEYS[k]) else redis.call('ZREM', KEYS[k], limits) end
    end
    answers[i - 1] = {}
  end
  key = key + keys
end
return cmsgpack.pack(answers)
""").substitute(epoch=int(bucket.EPOCH), slack=bucket.SLACK_S * SECOND, place_wait=int(PLACE_WAIT_S * SECOND))
"""`key` is how many of KEYS are used up; an ask has its buckets first, then topics, then places."""


class Packed(NamedTuple):
    """One thing that is asked, as its part of a command: many things, or the same again, are joined and not packed."""

    keys: int
    key_part: bytes
    argument: bytes


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
    keys += [f"generation:{topic}" for topic in question.topics]
    keys += [f"places:{place.name}" for place in question.places]
    return _packed(keys, "ask", limits, places, len(question.topics))


def packed_move(topics: Sequence[str]) -> Packed:
    """Return the wish that each topic's next generation begin."""
    return _packed([f"generation:{topic}" for topic in topics], "move")


def packed_leave(places: Sequence[Places], ticket: str) -> Packed:
    """Return the wish that the ticket's places be free."""
    return _packed([f"places:{place.name}" for place in places], "leave", ticket)


def _packed(keys: Sequence[str], what: str, *more: object) -> Packed:
    parts = [_part(b"{tiebeam}:" + key.encode()) for key in keys]
    return Packed(len(keys), b"".join(parts), _part(msgpack.encode((len(keys), what, *more))))


def _part(value: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(value), value)


_HEADS: Final = {
    True: _part(b"EVALSHA") + _part(hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest().encode()),
    False: _part(b"EVAL") + _part(SCRIPT.encode()),
}


def command(things: Sequence[Packed], ticket: str, *, known: bool) -> bytes:
    """Return the command that asks all the things; where the script is not `known` there, it goes along."""
    keys = sum(thing.keys for thing in things)
    return b"".join(
        (
            b"*%d\r\n" % (4 + keys + len(things)),
            _HEADS[known],
            _part(b"%d" % keys),
            *[thing.key_part for thing in things],
            _part(ticket.encode()),
            *[thing.argument for thing in things],
        )
    )


def ticket_of(ticket: str, place: int) -> str:
    """Return what the thing at that place of a command with this ticket holds its places by."""
    return f"{ticket}:{place + 2}"


def answers_of(reply: bytes) -> Answers:
    """Return the answer to each thing."""
    return msgpack.decode(reply, type=Answers)


def told_of(question: Question, answer: Sequence[Any]) -> Told:
    """Return the answer in words."""
    which, limits = answer[0], len(question.limits)
    used = tuple([each / SECOND for each in answer[2 : 2 + limits]])
    generations = tuple(answer[2 + limits : 2 + limits + len(question.topics)])
    if which:
        return bucket.told(question, used, generations, which - 1, answer[1] / SECOND)
    left = tuple(map(bucket.left_of, bucket.paces_of(question), used))
    return Told(None, 0.0, left, used, generations, answer[-1] if question.places else None)

"""One operation's fields and parameters that are to go: which of them a call uses, and which are gone."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from gateway.lifecycle.document import FieldRetirement, Place
from gateway.lifecycle.fields import Fields, fields_of, parameters_in


class Retiring:
    """What of an operation callers shall not use any more; at least one thing is."""

    def __init__(self, retirements: Sequence[FieldRetirement]) -> None:
        self.all = tuple(retirements)
        self._found = {(each.place, each.pointer): each for each in retirements}
        self._parameters = frozenset(each.pointer for each in retirements if each.place == "query")
        self._sent, self._answered = self._fields("request"), self._fields("response")

    def in_query(self, query: bytes) -> list[FieldRetirement]:
        """Return the parameters that the query has."""
        return self._of("query", parameters_in(query, self._parameters))

    def sent(self, body: bytes) -> list[FieldRetirement]:
        """Return the fields that a request's body has."""
        return self._of("request", self._sent.inside_text(body)) if self._sent.pointers else []

    def answered(self, body: bytes) -> list[FieldRetirement]:
        """Return the fields that an answer's body has."""
        return self._of("response", self._answered.inside_text(body)) if self._answered.pointers else []

    def used(self, query: bytes, sent: bytes, answered: bytes) -> list[FieldRetirement]:
        """Return everything of it that a call and its answer have."""
        return [*self.in_query(query), *self.sent(sent), *self.answered(answered)]

    def refuses_bodies(self, now: datetime) -> bool:
        """Tell whether a request's body has to be looked at before the call goes on."""
        return any(each.place == "request" for each in gone(self.all, now))

    def _fields(self, place: Place) -> Fields:
        return fields_of(frozenset(each.pointer for each in self.all if each.place == place))

    def _of(self, place: Place, pointers: Iterable[str]) -> list[FieldRetirement]:
        return [self._found[place, pointer] for pointer in sorted(pointers)]


def gone(retirements: Iterable[FieldRetirement], now: datetime) -> list[FieldRetirement]:
    """Return those whose sunset has come."""
    return [each for each in retirements if each.sunset_at is not None and now >= each.sunset_at]

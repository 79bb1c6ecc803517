"""From a view of the totals to the documents of a revision, following the definition as amendments reach every partition."""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tallyroom.codec.definition import encode_definition
from tallyroom.domain.events import Amendment
from tallyroom.publisher.cut import View, facts_of
from tallyroom.publisher.frozen import KEPT, Frozen
from tallyroom.publisher.record import DECIDED, next_record
from tallyroom.publisher.revision import document_hash, encode
from tallyroom.results.decided import Moment
from tallyroom.results.documents import Deriver
from tallyroom.tabulation.amend import amend
from tallyroom.tabulation.plan import Plan


class Last(NamedTuple):
    """The revision published last: its number, and its documents by name with their hashes."""

    number: int
    hashes: Mapping[str, str]
    documents: Mapping[str, bytes]


class Derivation:
    """Derives what changed, and again nothing else. One for each view."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._clock: datetime | None
        self._definition: str  # the chain of the definition document made last
        self.forget()

    def forget(self) -> None:
        """What was derived before says nothing of what comes next: maybe it was never published.

        Rows that stand still are those of the last revision.
        """
        self.deriver, self.frozen = Deriver(self.plan), Frozen()
        self._clock, self._definition = None, ""

    def follow(self, view: View) -> bool:
        """Take over an amended definition once every partition has it; until then the cut mixes two and is not shown."""
        chains = view.chains()
        if chains == {self.plan.chain}:
            return True
        plan = followed(self.plan, view.journals.amendments.values(), chains)
        if chains == {plan.chain}:
            self.plan = plan
            self.deriver = Deriver(plan)
            view.replan(plan)
        return False  # read again by the new definition in the next round

    def unknown_definition(self, view: View) -> str | None:
        """Why the partitions' definitions cannot be followed, or None."""
        known = {self.plan.chain, *(chain for _, chain in view.journals.amendments.values())}
        return None if view.chains() <= known else "the totals stand at a definition that no amendment leads to"

    def derive(self, view: View, clock: datetime | None, last: Last) -> dict[str, bytes]:
        """Documents that differ from those of the ``last`` revision, encoded once. ``clock``: election time."""
        published = last.hashes
        facts, held = self.frozen.over(view, facts_of(view, clock), last.documents)
        moved = (
            self.deriver.moved(facts) | held
        )  # released, put off, certified ...: all of it, not only what changes next
        if moved:
            view.changed.update(moved)
            view.asides_changed = True
        if view.asides_changed:  # a bulletin may bound what is outstanding, a declaration says what stands
            view.changed.update((name, contest.root) for name, contest in self.plan.contests.items())
        places = view.sum_changed()
        made: dict[str, Any] = dict(self.deriver.documents(places, facts))
        if places or view.asides_changed or view.flags_changed or clock != self._clock:
            made |= {"election": self.deriver.election(), **self.deriver.beside(facts)}
            view.asides_changed = view.flags_changed = False
        if self._definition != self.plan.chain or "definition" not in published:
            made["definition"] = msgspec.Raw(encode_definition(self.plan.definition))
        if places or DECIDED not in last.documents:
            expected = {name: self.deriver.units_expected(name) for name in self.plan.contests}
            moment = Moment(revision=last.number + 1, at=clock)
            made[DECIDED] = next_record(last.documents, made, facts.totals, expected, moment, self.plan)
        if held or KEPT in last.documents:
            made[KEPT] = self.frozen.document()
        self._clock, self._definition = clock, self.plan.chain
        encoded = {name: encode(document) for name, document in made.items()}
        return {name: data for name, data in encoded.items() if published.get(name) != document_hash(data)}


def followed(plan: Plan, amendments: Iterable[tuple[Amendment, str]], chains: Container[str]) -> Plan:
    """The plan under those of the amendments (each with the chain hash reached) that lead to one of the ``chains``."""
    by_previous = {amendment.previous: (amendment, chain) for amendment, chain in amendments}
    while plan.chain not in chains and plan.chain in by_previous:
        amendment, chain = by_previous[plan.chain]
        plan = Plan(amend(plan.definition, amendment), chain, plan.chains)
    return plan

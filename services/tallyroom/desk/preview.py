"""Results as they stand, whatever is under embargo: for the eyes of operators, on the ops port, folded from the log alone."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tallyroom.desk.book import Book
from tallyroom.domain.election import Environment
from tallyroom.results.documents import Deriver, areas_name, contest_name
from tallyroom.tabulation.plan import ContestPlan


class Preview:
    """Derives all documents on demand. ``wall``: the clock that decides on a live night."""

    def __init__(self, book: Book, wall: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._book, self._wall = book, wall
        self._deriver: Deriver | None = None

    def snapshot(self) -> dict[str, Any]:
        """Contests with their areas and what stands beside them, and until when which of them is not public."""
        plan = self._book.plan
        if self._deriver is None or self._deriver.plan.chain != plan.chain:
            self._deriver = Deriver(plan)
        deriver, facts = self._deriver, self._book.facts()
        if plan.environment == Environment.LIVE:
            facts = replace(facts, now=self._wall())
        documents = deriver.documents(deriver.all_places(), facts, release=True)
        beside: dict[str, Any] = {}
        for document in deriver.beside(facts, release=True).values():
            beside |= document
        return {
            "election": plan.election,
            "environment": plan.environment,
            "clock": facts.now,
            "definition": plan.chain,
            "as_of": {"events": {str(number): offset for number, offset in sorted(self._book.offsets.items())}},
            "embargoed": [
                {"contest": contest, "area": area, "until": deriver.releases.at(contest, area)}
                for contest, area in sorted(deriver.releases.withheld(facts.now))
            ],
            **deriver.election(),
            **beside,
            "contests": [
                {**documents[contest_name(name)], "areas": list(_areas(documents, contest))}
                for name, contest in plan.contests.items()
            ],
        }


def _areas(documents: Mapping[str, Any], contest: ContestPlan) -> Iterator[Any]:
    """The contest's areas by their parents in the definition's order."""
    for parent in contest.children:
        yield from documents.get(areas_name(contest.id, parent), ())

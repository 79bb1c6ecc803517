"""The auditor's mark as the publisher obeys it: nothing new is published, what was refuted is withdrawn, a thaw is looked for."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from tallyroom.codec.marks import Thaw, Why, lifting
from tallyroom.publisher.journal import Journals
from tallyroom.publisher.revision import Head
from tallyroom.store.base import Mark, RevisionStore
from tallyroom.telemetry.logs import get_logger
from tallyroom.telemetry.metrics import PublisherMetrics

_KEPT: Final = 200
"""Revisions kept to go back to: 40 s of the fastest pace, an audit takes a few seconds. They share what did not change."""


class Freeze:
    """Follows the mark, and keeps the revisions since the last one that the auditor found right."""

    def __init__(self, revisions: RevisionStore, metrics: PublisherMetrics) -> None:
        self._revisions = revisions
        self._metrics = metrics
        self._past: dict[int, tuple[Head, Mapping[str, bytes]]] = {}
        self._withdrawn = ""
        self._logger = get_logger("publisher")
        self.mark = Mark()

    @property
    def knowing(self) -> str:
        """The standing mark that a publication may pass: only a withdrawal, or putting back what the store lost, uses it."""
        return self.mark.id if self.mark.frozen else ""

    def remember(self, head: Head, documents: Mapping[str, bytes]) -> None:
        """Keep a published revision, whole."""
        self._past[head.revision] = (head, dict(documents))
        good = self.mark.audited
        for number in [n for n in self._past if n < good or n <= head.revision - _KEPT]:
            del self._past[number]

    async def follow(self) -> bool:
        """Read the mark; whether publication was thawed since the last time. Raises StoreUnavailable."""
        before, self.mark = self.mark, await self._revisions.mark()
        self._metrics.publication_frozen.set(1 if self.mark.frozen else 0)
        return before.frozen and not self.mark.frozen

    async def reason(self, journals: Journals) -> str | None:
        """Why nothing may be published, if it is frozen; an act of the desk that came later thaws it. Raises StoreUnavailable."""
        if not self.mark.frozen:
            return None
        why = msgspec.json.decode(self.mark.why, type=Why)
        thaw = lifting(why, journals.thaws)
        if thaw is not None and await self._revisions.thaw(self.mark.id, msgspec.json.encode(thaw)):
            self._logger.warning(
                "publication was thawed", act=thaw.event, operators=thaw.operators, why=why.differences
            )
        return frozen_because(why, thaw)

    def refuted(self, now: datetime, number: int) -> tuple[Head, Mapping[str, bytes]] | None:
        """What is to be published in place of a refuted revision: the last one found right, under the number that follows.

        None: nothing published was refuted, it is done already, or that revision is not known any more.
        """
        if not self.mark.frozen or self.mark.id == self._withdrawn:
            return None
        why = msgspec.json.decode(self.mark.why, type=Why)
        if why.revision is None:
            return None
        good = self._past.get(self.mark.audited)
        if good is None:
            self._logger.error(
                "a refuted revision cannot be withdrawn: none that was right is known", refuted=why.revision
            )
            self._withdrawn = self.mark.id
            return None
        head, documents = good
        self._logger.warning("withdrawing a refuted revision", refuted=why.revision, good=head.revision, number=number)
        again = msgspec.structs.replace(head, revision=number, generated_at=now, changed=sorted(documents))
        return again, documents

    def withdrawn(self) -> None:
        """It is published: not again for this mark."""
        self._withdrawn = self.mark.id


def frozen_because(why: Why, thaw: Thaw | None) -> str:
    """The condition in words."""
    if thaw is not None:
        return f"publication is being thawed by {', '.join(thaw.operators)}"
    first = why.differences[0] if why.differences else "no difference is named"
    more = f" (and {why.count - 1} more)" if why.count > 1 else ""
    return f"publication was frozen by the auditor: {first}{more}"

"""A desk over a log in memory: records sent as producers send them, and the book that reads them."""

from collections.abc import Iterable
from typing import Final

from tallyroom.codec.events import AnyEvent, encode_event
from tallyroom.desk.acts import Hand, People
from tallyroom.desk.book import Book, Case
from tallyroom.domain.election import Definition
from tallyroom.log import MemoryLog
from tallyroom.log.base import Entry, EventLog
from tallyroom.producer.entries import entries_of
from tests.support.elections import plan_of

EVENTS: Final = "events"
TWO: Final = People(("A. Operator", "B. Operator"), "confirmed by telephone")


class DeskRoom:
    """Three partitions of one election."""

    def __init__(self, definition: Definition, log: EventLog | None = None) -> None:
        self.log = MemoryLog() if log is None else log
        self.plan = plan_of(definition)
        self.book = Book(self.log, EVENTS, self.plan)
        self.hand = Hand(self.log, EVENTS, self.book)

    async def open(self) -> "DeskRoom":
        """Create the topic."""
        await self.log.create(EVENTS, 3)
        await self.book.follow()
        return self

    async def send(self, *written: AnyEvent | bytes) -> list[Case]:
        """Append events or bytes that are none; the cases they make, oldest first."""
        before = set(self.book.cases)
        for item in written:
            await self.log.append(EVENTS, list(_entries(item)))
        await self.book.follow()
        return [case for at, case in self.book.cases.items() if at not in before]

    async def again(self) -> Book:
        """The log as somebody reads it who knows nothing."""
        book = Book(self.log, EVENTS, self.plan)
        await book.follow()
        return book


def _entries(item: AnyEvent | bytes) -> Iterable[Entry]:
    if isinstance(item, bytes):
        return [Entry(b"list|u1", item)]
    return entries_of(item, encode_event(item), item.reported_at, 3)

"""What a gateway shows while store and publisher come, go and contradict themselves."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from prometheus_client import CollectorRegistry

from tallyroom.domain.errors import StoreUnavailable
from tallyroom.gateway.feed import SILENCE_S, Feed
from tallyroom.gateway.representation import State
from tallyroom.store import MemoryStore, Revision
from tallyroom.telemetry.metrics import gateway_metrics
from tests.support.revisions import ELECTION, GENERATED, Press, area, contest, definition

NOW = datetime(2030, 3, 19, 16, 0, 0, tzinfo=UTC)


class FailingStore(MemoryStore):
    """A memory store that can be away, and counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.read: list[list[str]] = []

    async def head(self) -> Revision | None:
        if self.away:
            raise StoreUnavailable("it is away.", "none")
        return await super().head()

    async def documents(self, names: Sequence[str] | None = None) -> tuple[Revision | None, Mapping[str, bytes]]:
        self.read.append(sorted(names or ()))
        return await super().documents(names)


class Scene:
    """A feed over a store, with clocks that the test moves."""

    def __init__(self) -> None:
        self.store = FailingStore()
        self.press = Press(self.store)
        self.now = NOW
        self.registry = CollectorRegistry()
        self.seen: list[State] = []
        self.feed = Feed(
            self.store,
            (ELECTION, "simulation"),
            gateway_metrics(self.registry),
            lambda _, state: self.seen.append(state),
            (lambda: self.now, self.seconds),
        )

    def seconds(self) -> float:
        return (self.now - NOW).total_seconds()

    async def after(self, seconds: float) -> State:
        self.now += timedelta(seconds=seconds)
        await self.feed.look()
        assert self.feed.state is not None
        return self.feed.state


async def scene() -> Scene:
    """A feed that shows revision 1, and all is well."""
    made = Scene()
    await made.press.publish()
    await made.press.say()
    state = await made.after(0)
    assert (state.edition.number, state.stale_since) == (1, None)
    return made


async def test_nothing_is_shown_before_the_first_revision() -> None:
    made = Scene()
    await made.feed.look()
    assert made.feed.state is None


async def test_only_what_changed_is_fetched() -> None:
    made = await scene()
    await made.press.publish({"contest:list": contest("list", "recount"), "areas:list:": [area("T", (7, 2, 1), 5)]})
    state = await made.after(1)
    assert state.edition.number == 2
    assert made.store.read[-1] == ["areas:list:", "contest:list"]
    assert len(made.seen) == 2
    assert made.registry.get_sample_value("tallyroom_revision") == 2


async def test_a_gateway_that_missed_revisions_fetches_all_that_differs() -> None:
    made = await scene()
    await made.press.publish({"areas:d-1:": [area("T-D1", (11, 20, 3), 1)]})
    await made.press.publish({"areas:d-2:": [area("T-D2", (1, 0, 0), 1)]})
    assert (await made.after(1)).edition.number == 3
    assert made.store.read[-1] == ["areas:d-1:", "areas:d-2:"]


async def test_a_revision_without_changed_documents_reads_none() -> None:
    made = await scene()
    reads = len(made.store.read)
    await made.press.publish({})
    assert (await made.after(1)).edition.number == 2
    assert len(made.store.read) == reads


async def test_without_a_publisher_it_is_stale_since_all_was_last_well() -> None:
    made = await scene()
    await made.after(10)
    await made.press.leave()
    state = await made.after(5)
    assert state.stale_since == NOW + timedelta(seconds=10)
    assert (await made.after(60)).stale_since == state.stale_since
    assert made.registry.get_sample_value("tallyroom_snapshot_stale") == 1
    await made.press.say()
    assert (await made.after(1)).stale_since is None
    assert made.registry.get_sample_value("tallyroom_snapshot_stale") == 0


async def test_the_publishers_own_doubt_says_since_when() -> None:
    made = await scene()
    since = NOW - timedelta(seconds=30)
    await made.press.say(ok=False, since=since, reason="nobody tabulates")
    assert (await made.after(1)).stale_since == since
    assert made.feed.reason == "nobody tabulates"


async def test_a_publisher_that_starts_anew_does_not_make_it_look_fresher() -> None:
    made = await scene()
    await made.press.leave()
    first = (await made.after(5)).stale_since
    await made.press.say(ok=False, since=NOW + timedelta(seconds=60), reason="starting")
    assert (await made.after(60)).stale_since == first == NOW


async def test_a_gateway_started_without_a_publisher_says_the_revisions_time() -> None:
    made = Scene()
    await made.press.publish()
    await made.press.leave()
    assert (await made.after(0)).stale_since == GENERATED + timedelta(seconds=1)


async def test_a_silent_store_is_forgiven_for_a_moment_only() -> None:
    made = await scene()
    made.store.away = True
    assert (await made.after(SILENCE_S)).stale_since is None
    state = await made.after(0.5)
    assert (state.edition.number, state.stale_since) == (1, NOW)
    made.store.away = False
    await made.press.publish({"areas:d-2:": [area("T-D2", (1, 0, 0), 1)]})
    state = await made.after(1)
    assert (state.edition.number, state.stale_since) == (2, None)


async def test_a_lost_store_does_not_take_the_figures_away() -> None:
    made = await scene()
    made.store.flush()
    state = await made.after(1)
    assert (state.edition.number, state.stale_since) == (1, NOW)
    assert "no revision" in made.feed.reason


async def test_a_lower_revision_is_never_shown_not_even_of_another_store() -> None:
    made = await scene()
    await made.press.publish({})
    await made.after(1)
    made.store.flush()
    made.press.start_over("store-2")
    await made.press.publish()
    await made.press.say()
    state = await made.after(1)
    assert (state.edition.number, state.edition.head.store_id) == (2, "store-1")
    assert state.stale_since is not None
    assert "another store" in made.feed.reason


async def test_another_revision_of_the_same_number_is_not_taken() -> None:
    made = await scene()
    made.store.flush()
    made.press.start_over("store-1")
    await made.press.publish({"definition": definition()})
    await made.press.say()
    assert "areas:list:" in (await made.after(1)).edition.documents


async def test_a_higher_revision_of_a_rebuilt_store_is_taken() -> None:
    made = await scene()
    made.store.flush()
    made.press.start_over("store-2")
    await made.press.publish()
    await made.press.publish({})
    await made.press.say()
    state = await made.after(1)
    assert (state.edition.number, state.edition.head.store_id, state.stale_since) == (2, "store-2", None)


async def test_a_damaged_revision_is_refused_and_the_last_good_one_stays() -> None:
    made = await scene()
    await made.press.publish({"areas:list:": {"not": "a list"}})
    state = await made.after(1)
    assert (state.edition.number, state.stale_since) == (1, NOW)
    assert "cannot be taken" in made.feed.reason


async def test_a_revision_of_another_environment_is_refused() -> None:
    made = Scene()
    made.press.environment = "live"
    await made.press.publish()
    await made.feed.look()
    assert made.feed.state is None
    assert "live" in made.feed.reason


async def test_a_document_that_is_not_the_one_its_head_names_is_not_shown() -> None:
    """Somebody wrote into the store: readers keep the last good figures, marked stale."""
    made = await scene()
    await made.press.publish({"areas:list:": [area("T", (7, 2, 1), 5)]})
    lease = await made.store.acquire("press", 60)
    head = await made.store.head()
    assert lease is not None
    assert head is not None
    forged = msgspec.json.encode([area("T", (8, 2, 1), 5)])
    await made.store.publish(lease, head.number + 1, _numbered(head.head, head.number + 1), {"areas:list:": forged})
    state = await made.after(1)
    assert (state.edition.number, state.stale_since) == (1, NOW)
    assert "another document areas:list:" in made.feed.reason


def _numbered(head: bytes, number: int) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(head), "revision": number})

"""A hand-made election whose revisions tests publish through a RevisionStore, as the publisher would."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from tallyroom.store import Answer, Lease, RevisionStore

ELECTION: Final = "test-2030"
GENERATED: Final = datetime(2030, 3, 19, 15, 0, 0, tzinfo=UTC)
_AREAS: Final = {
    "T": "national",
    "T-A": "region",
    "T-B": "region",
    "T-A1": "town",
    "T-D1": "district",
    "T-D2": "district",
}
_TREE: Final = {"T": None, "T-B": "T", "T-A": "T", "T-A1": "T-A"}
_CONTESTS: Final[dict[str, dict[str, str | None]]] = {"list": _TREE, "d-1": {"T-D1": None}, "d-2": {"T-D2": None}}


def definition(environment: str = "simulation") -> dict[str, Any]:
    """The definition as the publisher stores it; contests in the order list, d-2, d-1."""
    selections = [
        _selection("amanat", "#0099aa", {"kk": "Аманат", "ru": "Аманат", "en": "Amanat"}),
        _selection("aq-jol", "#1f4fa3", {"kk": "Ақ жол", "ru": "Ак жол", "en": "Aq Jol"}),
        {
            **_selection("none", "#777777", {"kk": "Бәріне қарсы", "ru": "Против всех", "en": "Against all"}),
            "role": "against_all",
        },
    ]
    return {
        "areas": [
            {"id": area, "level": level, "names": {"kk": f"{area} аймағы", "ru": f"Район {area}", "en": f"Area {area}"}}
            for area, level in _AREAS.items()
        ],
        "attribution": {"en": "Made by hand."},
        "contests": [_contest(name, selections) for name in ("list", "d-2", "d-1")],
        "date": "2030-03-19",
        "election": ELECTION,
        "environment": environment,
        "languages": ["kk", "ru", "en"],
        "names": {"kk": "Сынақ сайлауы", "ru": "Пробные выборы", "en": "Trial election"},
        "notes": {"kk": "Қолдан жасалған.", "ru": "Сделано вручную.", "en": "Figures made by hand."},
        "schema": "tallyroom.definition/v1",
        "time_zones": ["Asia/Almaty"],
        "units": [{"id": "SIM-1", "registered": 1000}, {"id": "SIM-2", "registered": 1000}],
    }


def _selection(name: str, colour: str, names: dict[str, str]) -> dict[str, Any]:
    return {"colour": colour, "id": name, "names": names}


def _contest(name: str, selections: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "accounting": {
            "cast": "cast",
            "labels": {"cast": {"kk": "Берілген бюллетеньдер", "ru": "Выдано бюллетеней", "en": "Ballots issued"}},
            "measures": ["cast", "valid"],
        },
        "areas": _CONTESTS[name],
        "id": name,
        "names": {"kk": f"{name} сайысы", "ru": f"Выборы {name}", "en": f"Contest {name}"},
        "selections": selections,
        "source": "cec",
        "units": {"SIM-1": "T-A1", "SIM-2": "T-B"},
    }


def area(name: str, votes: tuple[int, int, int], reported: int, expected: int = 10) -> dict[str, Any]:
    """An area object with these votes."""
    total = sum(votes)
    cast = total + reported
    counts = dict(zip(("amanat", "aq-jol", "none"), votes, strict=True))
    lead = sorted(votes[:2], reverse=True)
    return {
        "area": name,
        "level": _AREAS[name],
        "status": "unofficial-complete"
        if reported == expected
        else "unofficial-partial"
        if reported
        else "pre-election",
        "units_reported": reported,
        "units_expected": expected,
        "units_partial": 0,
        "units_held": 0,
        "voters_registered": expected * 1000,
        "voters_registered_reported": reported * 1000,
        "ballots_cast": cast,
        "ballots": {"cast": cast, "valid": total},
        "turnout_reported": _share(cast, reported * 1000),
        "counts": counts,
        "shares": {key: _share(value, total) for key, value in counts.items()},
        "share_denominator": {"of": "selections", "value": total},
        "leading": {"selections": ["amanat" if votes[0] >= votes[1] else "aq-jol"], "margin": lead[0] - lead[1]}
        if total
        else None,
    }


def _share(part: int, whole: int) -> str | None:
    return None if not whole else f"{part * 1_000_000 // whole / 1_000_000:.6f}"


def contest(name: str, status: str = "unofficial-partial") -> dict[str, Any]:
    """A contest object without areas."""
    return {"contest": name, "status": status, "leading": None, "corrections": {"count": 0, "latest": []}}


def documents(environment: str = "simulation") -> dict[str, Any]:
    """All documents of a first revision."""
    return {
        "definition": definition(environment),
        "election": {
            "notes": {"en": "Figures made by hand."},
            "attribution": {"en": "Made by hand."},
            "turnout": [
                {"id": "t-1", "source": "cec", "reported_at": "2030-03-19T05:00:00Z", "measure": "issued",
                 "as_of": "2030-03-19T04:00:00Z", "area": "T", "ballots": 1800, "registered": 20000, "turnout": "0.09"},
            ],
            "estimates": [
                {"id": "e-1", "pollster": "institute", "names": {"en": "Institute"}, "method": "exit_poll", "contest": "list",
                 "reported_at": "2030-03-19T15:00:00Z", "release_at": "2030-03-19T15:00:00Z", "sample": 5000,
                 "shares": {"amanat": "0.61", "aq-jol": "0.30"}},
            ],
            "declared": [],
        },
        "contest:list": contest("list"),
        "contest:d-1": contest("d-1"),
        "contest:d-2": contest("d-2"),
        "areas:list:": [area("T", (600, 300, 100), 4)],
        "areas:list:T": [area("T-B", (200, 200, 50), 2), area("T-A", (400, 100, 50), 2)],
        "areas:list:T-A": [area("T-A1", (400, 100, 50), 2)],
        "areas:d-1:": [area("T-D1", (10, 20, 3), 1)],
        "areas:d-2:": [area("T-D2", (0, 0, 0), 0)],
    }  # fmt: skip


class Press:
    """Publishes revisions of the hand-made election, one after the other."""

    def __init__(self, store: RevisionStore, environment: str = "simulation") -> None:
        self.store = store
        self.environment = environment
        self.number = 0
        self.store_id = "store-1"
        self.chain = "d" * 64
        self._lease: Lease | None = None
        self._hashes: dict[str, str] = {}

    async def publish(self, changed: dict[str, Any] | None = None) -> int:
        """Publish these documents (None: all of a first revision) as the next revision; its number."""
        made = documents(self.environment) if changed is None else changed
        encoded = {name: msgspec.json.encode(document) for name, document in made.items()}
        self._hashes.update({name: hashlib.sha256(data).hexdigest()[:32] for name, data in encoded.items()})
        self.number += 1
        if self._lease is None:
            self._lease = await self.store.acquire("press", 60)
        assert self._lease is not None
        answer = await self.store.publish(self._lease, self.number, self._head(sorted(encoded)), encoded)
        assert answer is Answer.OK, answer
        await self.store.announce("revision")
        return self.number

    def _head(self, changed: list[str]) -> bytes:
        return msgspec.json.encode(
            {
                "election": ELECTION,
                "environment": self.environment,
                "revision": self.number,
                "generated_at": GENERATED + timedelta(seconds=self.number),
                "clock": GENERATED,
                "as_of": {"events": {"0": 100 * self.number, "1": 7}},
                "definition": self.chain,
                "store_id": self.store_id,
                "hashes": {"content": "c" * 64, "definition": self.chain, "build": "0", "configuration": "e" * 64},
                "documents": self._hashes,
                "changed": changed,
                "log": {"0": "f"},
            }
        )

    async def say(self, ok: bool = True, since: datetime = GENERATED, reason: str = "", ttl: float = 60) -> None:
        """Be the active publisher and say how things stand."""
        if self._lease is None:
            self._lease = await self.store.acquire("press", ttl)
        assert self._lease is not None
        condition = msgspec.json.encode({"ok": ok, "since": since, "reason": reason})
        assert await self.store.beat(self._lease, ttl, condition)

    async def leave(self) -> None:
        """Give the lease back: no publisher is active any more."""
        assert self._lease is not None
        await self.store.release(self._lease)
        self._lease = None

    def start_over(self, store_id: str) -> None:
        """After the store lost everything: another store, and a new lease."""
        self.store_id, self._lease, self._hashes, self.number = store_id, None, {}, 0

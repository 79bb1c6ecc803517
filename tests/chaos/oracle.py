"""What a log comes to: plain loops over its records, newest version per (contest, unit). No code of the tabulation room.

It knows the rules of docs/exactly-once.md ("The unit rule") and what the material of the rounds may hold, and nothing else:
two programs that agree by sharing a function prove nothing.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Read(NamedTuple):
    """A record of the log."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class Newest(NamedTuple):
    """What a unit says in a contest."""

    version: int
    counted: bool  # withdrawn, held and annulled reports are in no total
    content: str
    counts: Mapping[str, int]
    ballots: Mapping[str, int]


Place = tuple[str, str]
"""(contest, area or unit)."""
Figures = dict[str, int]
"""``units`` (counted and complete), then measures and selections by name."""


@dataclass
class Fates:
    """What became of the records of a partition."""

    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    amendments: int = 0
    refused: list[int] = field(default_factory=list)  # offsets


class Oracle:
    """Folds records as they are given; ``totals`` may be asked for at any point."""

    def __init__(self, definition: bytes, partitions: int) -> None:
        """``definition``: the file that the services were given."""
        told: dict[str, Any] = json.loads(definition)
        self.election: str = told["election"]
        self.contests: dict[str, dict[str, Any]] = {contest["id"]: contest for contest in told["contests"]}
        self.selections = {
            name: [selection["id"] for selection in contest["selections"]] for name, contest in self.contests.items()
        }
        self.unit_area = [
            {name: dict(contest["units"]) for name, contest in self.contests.items()} for _ in range(partitions)
        ]
        self.newest: dict[Place, Newest] = {}
        self.fates = {number: Fates() for number in range(partitions)}
        self.totals: dict[Place, Figures] = {}

    def fold(self, records: Iterable[Read]) -> None:
        """Take these records in; those of a partition must come in their order."""
        for record in records:
            self._record(record)

    def _record(self, record: Read) -> None:
        fates = self.fates[record.partition]
        event = parsed(record.value)
        if event is not None and event.get("type") == "amendment":
            for change in event["changes"]:
                for contest, area in change["contests"].items():
                    self.unit_area[record.partition][contest][change["unit"]["id"]] = area
            fates.amendments += 1
            return
        if event is None or not self._sound(event, record):
            fates.refused.append(record.offset)
            return
        place = (event["contest"], event["unit"])
        new = _newest(event)
        before = self.newest.get(place)
        if before is None or new.version > before.version:
            fates.accepted += 1
            self.newest[place] = new
            area = self.unit_area[record.partition][place[0]][place[1]]
            self._move(place[0], area, before, new)
        elif new.version < before.version:
            fates.late += 1
        elif new.content == before.content:
            fates.duplicates += 1
        else:
            fates.refused.append(record.offset)

    def _sound(self, event: Mapping[str, Any], record: Read) -> bool:
        fields = {
            "type", "id", "election", "environment", "source", "reported_at", "contest", "unit", "version", "counts",
            "ballots", "kind", "disposition", "reason",
        }  # fmt: skip
        if set(event) - fields or event["type"] != "report" or event["source"] != "cec":
            return False
        if event["election"] != self.election or event["environment"] != "test" or event["version"] < 1:
            return False
        contest, unit, counts = event["contest"], event["unit"], event["counts"]
        if contest not in self.contests or unit not in self.unit_area[record.partition][contest]:
            return False
        if record.partition != home(f"{contest}|{unit}".encode(), len(self.fates)):
            return False
        if set(counts) != set(self.selections[contest]) or min(counts.values()) < 0:
            return False
        adds_up = sum(counts.values()) == event["ballots"]["valid"] <= event["ballots"]["cast"]
        return event["reported_at"].startswith("2030-") and (adds_up or not _newest(event).counted)

    def _move(self, contest: str, area: str | None, before: Newest | None, new: Newest) -> None:
        while area is not None:
            sums = self.totals.setdefault((contest, area), {})
            for state, sign in ((before, -1), (new, 1)):
                if state is not None and state.counted:
                    for name, number in {"units": 1, **state.ballots, **state.counts}.items():
                        sums[name] = sums.get(name, 0) + sign * number
            area = self.contests[contest]["areas"][area]


def parsed(value: bytes | None) -> dict[str, Any] | None:
    """The JSON object in the bytes, None if there is none."""
    try:
        found = json.loads((value or b"").decode())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def home(key: bytes, partitions: int) -> int:
    """The partition of a key, by Kafka's murmur2, written out again."""
    mask, word = 0xFFFFFFFF, 4
    hashed = 0x9747B28C ^ len(key)
    for at in range(0, len(key) // word * word, word):
        k = int.from_bytes(key[at : at + word], "little") * 0x5BD1E995 & mask
        hashed = (hashed * 0x5BD1E995 & mask) ^ ((k ^ k >> 24) * 0x5BD1E995 & mask)
    rest = key[len(key) // word * word :]
    if rest:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * 0x5BD1E995 & mask
    hashed = (hashed ^ hashed >> 13) * 0x5BD1E995 & mask
    return ((hashed ^ hashed >> 15) & 0x7FFFFFFF) % partitions


def _newest(event: Mapping[str, Any]) -> Newest:
    kind, disposition = event.get("kind", "counted"), event.get("disposition", "counted")
    content = json.dumps([kind, disposition, event["counts"], event["ballots"]], sort_keys=True)
    counted = kind != "retraction" and disposition == "counted"
    return Newest(event["version"], counted, content, event["counts"], event["ballots"])

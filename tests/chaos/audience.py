"""The public of a round: it never stops asking a gateway, and keeps what it was shown to be checked against the log."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.oracle import Figures, Place

ROOT = "C"


@dataclass(frozen=True)
class Shown:
    """A revision as it was shown: next offsets, and the figures of the whole country."""

    revision: int
    as_of: Mapping[int, int]
    figures: Mapping[Place, Figures]


@dataclass
class Audience:
    """Asks for the national figures every moment."""

    base: str  # http://host:port/v1/elections/ELECTION
    latest: dict[str, Any] = field(default_factory=dict)
    shown: dict[int, Shown] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    answers: int = 0
    unanswered: int = 0
    stale_s: float = 0.0
    _asked_at: float = 0.0

    async def watch(self) -> None:
        """Ask until cancelled."""
        async with httpx.AsyncClient(timeout=20) as client:
            while True:
                self._asked_at = time.monotonic()
                try:
                    answer = await client.get(f"{self.base}/snapshot?area={ROOT}")
                except httpx.TransportError:
                    self.unanswered += bool(self.answers)  # while the gateway starts, nobody is there
                else:
                    self._take(answer)
                await asyncio.sleep(max(0.1, 4 * (time.monotonic() - self._asked_at)))
                if "stale_since" in self.latest:
                    self.stale_s += time.monotonic() - self._asked_at

    def _take(self, answer: httpx.Response) -> None:
        if answer.status_code != 200:
            if self.answers:
                self.complaints.append(f"answered {answer.status_code} after it had answered: {answer.text[:120]}")
            return
        now, before = answer.json(), self.latest
        if before and now["revision"] < before["revision"]:
            self.complaints.append(f"revision {before['revision']} was followed by {now['revision']}")
        if before:
            old, new = before["as_of"]["events"], now["as_of"]["events"]
            self.complaints += [
                f"as_of of {n} fell: {was} {new.get(n)}" for n, was in old.items() if new.get(n, 0) < was
            ]
        seen = Shown(now["revision"], offsets(now), figures(now))
        if self.shown.setdefault(seen.revision, seen) != seen:
            self.complaints.append(f"revision {seen.revision} has two contents")
        self.answers += 1
        self.latest = now

    def reached(self, ends: Mapping[int, int]) -> bool:
        """Whether this much of the log is shown."""
        at = offsets(self.latest) if self.latest else {}
        return all(at.get(number, 0) >= end for number, end in ends.items())

    async def everything(self) -> dict[str, Any]:
        """The whole snapshot, all areas."""
        async with httpx.AsyncClient(timeout=20) as client:
            answer = await client.get(f"{self.base}/snapshot")
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
            return found


def offsets(snapshot: Mapping[str, Any]) -> dict[int, int]:
    """``as_of`` by partition."""
    return {int(number): offset for number, offset in snapshot["as_of"]["events"].items()}


def figures(snapshot: Mapping[str, Any]) -> dict[Place, Figures]:
    """What the areas of a snapshot say, in the oracle's words."""
    return {
        (contest["contest"], area["area"]): {"units": area["units_reported"], **area["ballots"], **area["counts"]}
        for contest in snapshot["contests"]
        for area in contest["areas"]
    }

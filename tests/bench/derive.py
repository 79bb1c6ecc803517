"""Cost of one revision of the built-in night: derived results with bounds, at every stage of the night, on one core.

``step``: what a publisher does for one of its five revisions a second while the night is replayed in three minutes (24 events);
``whole``: every contest, area
and body derived anew, as at a start or an amendment. CPU milliseconds of this process, medians.
"""

import gc
import time
from statistics import median
from typing import Final

from tallyroom.cli.board import Board
from tallyroom.cli.common import load_election
from tallyroom.publisher.deriving import Last
from tallyroom.publisher.revision import document_hash
from tallyroom.recordings.format import open_recording

STAGES: Final = (2, 10, 25, 50, 75, 90, 98, 100)
STEP: Final = 24
ROUNDS: Final = 9


async def revisions(night: str = "kz-2023") -> dict[str, float]:
    """Median CPU milliseconds of a step and of everything, by share of events in."""
    board = await Board.open(*load_election(night))
    events = list(open_recording(night).events())
    last = Last(0, {}, {})
    gc.collect()
    gc.freeze()  # as the publisher does
    figures: dict[str, float] = {}
    at = 0
    for stage in STAGES:
        end = len(events) * stage // 100
        steps: list[float] = []
        wholes: list[float] = []
        await board.feed(events[at : max(at, end - ROUNDS * STEP)])
        at = max(at, end - ROUNDS * STEP)
        while at < end:
            await board.feed(events[at : min(end, at + STEP)])
            at = min(end, at + STEP)
            last = await _derived(board, last, steps, everything=False)
            last = await _derived(board, last, wholes, everything=True)
        figures[f"revision_step_ms_at_{stage}"] = round(median(steps), 2)
        figures[f"revision_whole_ms_at_{stage}"] = round(median(wholes), 2)
        print(f"{stage:3} % in: step {median(steps):6.2f} ms, whole {median(wholes):6.2f} ms", flush=True)
    return figures


async def _derived(board: Board, last: Last, took: list[float], *, everything: bool) -> Last:
    """Derive the revision after ``last``; its CPU milliseconds are added to ``took``."""
    view, derivation = board.view, board.derivation
    await view.refresh()
    while not derivation.follow(view):
        await view.refresh()
    if everything:
        view.changed.update(derivation.deriver.all_places())
    started = time.process_time()
    made = derivation.derive(view, view.clock(), last)
    took.append((time.process_time() - started) * 1000)
    hashes = {name: document_hash(data) for name, data in made.items()}
    return Last(last.number + 1, {**last.hashes, **hashes}, {**last.documents, **made})

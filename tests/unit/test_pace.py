"""The election clock of a replay: at full speed, at a speed, and held by somebody."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from tallyroom.producer.pace import FullSpeed, Held, Pace, Timed, span

START = datetime(2023, 3, 19, 14, tzinfo=UTC)
SPEED = 3000.0  # ten minutes of the night in 0.2 s


def at(minutes: float) -> datetime:
    """So many minutes after the first event."""
    return START + timedelta(minutes=minutes)


async def taken(pace: Pace, *minutes: float) -> float:
    """Seconds that the events at these minutes wait together."""
    started = time.monotonic()
    for minute in minutes:
        await pace.until(at(minute))
    return time.monotonic() - started


async def test_full_speed_waits_for_nothing() -> None:
    pace = FullSpeed()
    assert await taken(pace, 0, 600, 1200) < 0.05
    assert pace.due(at(5000))


async def test_a_speed_is_kept_and_silences_are_cut() -> None:
    assert 0.2 <= await taken(Timed(SPEED), 0, 5, 10) < 1
    assert 0.2 <= await taken(Timed(SPEED), 0, 600) < 1
    assert 0.4 <= await taken(Timed(SPEED, timedelta(minutes=20)), 0, 600) < 1.2


async def test_what_is_due_goes_along_and_the_rest_waits() -> None:
    pace = Timed(SPEED)
    assert not pace.due(at(0)), "the clock starts with the first event"
    await pace.until(at(0))
    assert pace.due(at(0))
    assert not pace.due(at(10))
    await asyncio.sleep(0.21)
    assert pace.due(at(10))
    assert pace.due(at(9)), "an event that arrived out of order waits for nothing"


async def test_a_pause_is_not_caught_up() -> None:
    pace = Timed(SPEED)
    await pace.until(at(0))
    await asyncio.sleep(0.3)
    pace.resume()
    assert await taken(pace, 10) >= 0.19


async def test_a_held_night_waits_until_it_is_moved() -> None:
    held = Held()
    waits = asyncio.create_task(held.until(at(0)))
    await asyncio.wait_for(held.wait_held(), 5)
    assert held.waiting_at == at(0)
    assert not held.due(at(0))
    await held.run_to(at(10))
    await asyncio.wait_for(waits, 5)
    assert held.due(at(10))
    assert not held.due(at(10.1))
    await held.run_to(at(5))
    assert held.due(at(9)), "a night never goes back"


async def test_steps_are_counted_only_beyond_the_time_that_is_open() -> None:
    held = Held()
    await held.run_to(at(10))
    await held.step(2)
    assert [held.due(at(minute)) for minute in (5, 10, 11, 12, 13)] == [True, True, True, True, False]


async def test_a_released_night_runs_at_its_speed() -> None:
    held = Held(Timed(SPEED))
    await held.release()
    assert held.released
    assert 0.2 <= await taken(held, 0, 10) < 1
    assert not held.due(at(20))


async def test_a_held_night_goes_on_at_its_speed_from_where_it_stood() -> None:
    held = Held(Timed(SPEED))
    await held.step()
    await held.until(at(0))
    waits = asyncio.create_task(taken(held, 10))
    await asyncio.wait_for(held.wait_held(), 5)
    await asyncio.sleep(0.3)
    released = time.monotonic()
    await held.release()
    await waits
    assert time.monotonic() - released >= 0.19


@pytest.mark.parametrize(("minutes", "expected"), [((), 0), ((0, 3, 2, 8), 8), ((0, 300), 10)])
def test_the_length_of_a_night(minutes: tuple[float, ...], expected: int) -> None:
    assert span(at(minute) for minute in minutes) == timedelta(minutes=expected)

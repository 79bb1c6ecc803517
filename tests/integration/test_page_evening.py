"""The page through an evening: what is open and what is certain, the house, what the authority said, what was corrected."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import evening
from tests.support.browser import Browser, browser
from tests.support.gateways import Running, gateway, shows

pytestmark = pytest.mark.page


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with gateway() as made:
        yield made


@pytest.fixture
async def window(tmp_path: Path) -> AsyncIterator[Browser]:
    async with browser(tmp_path) as opened:
        yield opened


async def opened(running: Running, window: Browser, documents: dict[str, Any]) -> None:
    """The page in English with these documents."""
    await running.press.publish(documents)
    await running.press.say()
    await shows(running, 1)
    await window.open(running.url)
    await window.until("document.querySelectorAll('nav button').length", 3)
    await window.value("document.querySelector('nav button[lang=en]').click()")
    await window.until("document.querySelector('h1').textContent", "Trial election")


async def words(window: Browser, selector: str) -> list[str]:
    """Texts of all elements that match, with plain spaces."""
    found: list[str] = await window.value(
        f"[...document.querySelectorAll({selector!r})].map(node => node.textContent.replace(/\\u00a0/g, ' ').trim())"
    )
    return found


async def test_the_threshold_is_a_line_and_what_it_takes_is_said_in_words(running: Running, window: Browser) -> None:
    await opened(running, window, evening.documents())
    assert await words(window, ".bars .scale") == ["20 % threshold: 200 votes"]
    assert await words(window, ".bars .pill:not(.none)") == ["✓ in, decided 20:30", "○ open"]
    assert await words(window, ".bars .note") == ["over 20 % and needs 125 votes struck off to fall under"]
    assert "Between 1 and 2 parties will enter." in await words(window, "#contest .claim")
    assert "750" in " ".join(await words(window, ".facts dd"))
    assert await words(window, "#news") == [""]
    await running.press.publish({"contest:list": evening.the_list("decided-above")})
    await window.until("document.querySelectorAll('.bars .note').length", 0)
    assert await words(window, "#contest .claim") == ["2 parties will enter."]
    (said,) = await words(window, "#news")
    assert said.startswith("Aq Jol: over 20 %; nothing still to come can change it")


async def test_the_house_shows_every_seat_and_what_is_certain_of_them(running: Running, window: Browser) -> None:
    await opened(running, window, evening.documents())
    assert await window.value("document.querySelectorAll('.half .seat').length") == 10
    assert await window.value("document.querySelectorAll('.half .seat.sure').length") == 5
    assert await words(window, ".half .majority text") == ["6", "8"]
    assert await window.value("document.querySelector('.half').getAttribute('aria-label')") == "Amanat 5, Aq Jol 5"
    assert await words(window, "#house tbody tr td:nth-of-type(2)") == ["4 to 9", "1 to 6"]
    assert await words(window, "#house .claims li") == [
        "Majority (6): nobody has it; still possible for Amanat, Aq Jol.",
        "Large majority (8): no party can reach it alone any more.",
    ]


async def test_what_the_authority_declared_stands_beside_what_is_computed(running: Running, window: Browser) -> None:
    await opened(running, window, evening.documents())
    said = await words(window, "#declared .claims li")
    assert said[0].startswith("The declaration changed: Amanat 6 on 20 Mar")
    assert said[0].endswith("then 5. The votes did not change.")
    assert said[1].endswith("differ from ours: Aq Jol -2")
    assert said[2] == "1 of 1 winners declared as computed."
    assert (await words(window, "#house tbody td:last-child"))[0] == "5"


async def test_districts_are_open_decided_or_declared_and_can_be_picked(running: Running, window: Browser) -> None:
    await opened(running, window, evening.documents())
    assert await words(window, "#districts .pill") == ["○ open", "✓ declared", "✕ called: Amanat"]
    assert await words(window, "#districts .choices button") == ["All 2", "Open 1", "Decided 1"]
    await window.value("document.querySelectorAll('#districts .choices button')[1].focus()")
    await window.value("document.activeElement.click()")
    await window.until("document.querySelectorAll('#districts .card').length", 1)
    await running.press.publish({"contest:d-1": evening.district("d-1", "open")})
    await window.until("document.getElementById('revision').textContent.startsWith('Revision 2,')", True)
    assert await window.value("document.activeElement.textContent") == "Open 1", "a revision took the focus away"


async def test_a_phone_shows_a_few_districts_and_the_rest_when_asked(running: Running, window: Browser) -> None:
    documents = evening.documents()
    (pattern,) = (contest for contest in documents["definition"]["contests"] if contest["id"] == "d-2")
    for name in (f"d-{number}" for number in range(3, 9)):
        documents["definition"]["contests"].append({**pattern, "id": name})
        documents |= {f"contest:{name}": evening.district(name, "open"), f"areas:{name}:": documents["areas:d-2:"]}
    visible = "[...document.querySelectorAll('#districts .card')].filter(card => card.offsetHeight).length"
    await window.resize(400, 1600)
    await opened(running, window, documents)
    assert await window.value(visible) == 6
    await window.value("document.querySelector('#districts .more').click()")
    await window.until(visible, 8)
    assert await words(window, "#districts .more") == []
    await window.resize(1400, 1600)
    await window.open(running.url)
    await window.until(visible, 8)


async def test_corrections_are_shown_with_old_and_new_and_never_as_markup(running: Running, window: Browser) -> None:
    await opened(running, window, evening.documents())
    (row,) = await words(window, "#corrections tbody tr")
    assert evening.REASON in row
    assert "Amanat 70 → 40, Aq Jol 1 → 31" in row
    assert "Seats: Amanat 6 → 5" in row
    assert await window.value("document.querySelectorAll('img').length") == 0


async def test_what_was_decided_and_what_a_correction_opened_again(running: Running, window: Browser) -> None:
    await opened(running, window, evening.documents())
    now, undone = await words(window, "#decided ol[data-key=newest] li > span")
    assert now == "Amanat is over 20 % (4 of 10 stations)"
    assert undone.startswith("Open again by a correction: Amanat stays under 20 % (decided 19 Mar")


async def test_a_call_is_the_newsrooms_and_the_count_may_contradict_it(running: Running, window: Browser) -> None:
    await opened(running, window, evening.documents())
    (line,) = await words(window, "#decided ol[data-key=calls] li > span")
    assert line == "Contest d-1: Amanat. The count contradicts it. By our correspondent."
    assert await words(window, "#decided h3") == ["Called by the newsroom, not by the count"]


async def test_figures_that_stand_still_say_so_and_why(running: Running, window: Browser) -> None:
    await opened(running, window, evening.documents())
    assert await words(window, ".notice") == []
    await running.press.publish({"contest:list": {**evening.the_list(), "frozen": evening.frozen()}})
    await window.until("document.querySelectorAll('#contest .notice').length", 1)
    (notice,) = await words(window, ".notice")
    assert notice.startswith("These figures stand still since 19 Mar, 20:45")
    assert notice.endswith("A source is being looked at.")


async def test_kazakh_has_its_own_months_and_numbers_in_every_browser(running: Running, window: Browser) -> None:
    await opened(running, window, evening.documents())
    await window.value("document.querySelector('nav button[lang=kk]').click()")
    await window.until("document.documentElement.lang", "kk")
    (first, *_) = await words(window, "#decided time")
    assert first.startswith("19 нау")
    assert (
        "20 000" in (await words(window, "#turnout tbody tr"))[0]
        or "1 800" in (await words(window, "#turnout tbody tr"))[0]
    )


async def test_stations_in_no_total_and_doubts_are_named_with_their_reason(running: Running, window: Browser) -> None:
    await opened(running, window, evening.documents())
    held, waiting = await words(window, "#apart tbody tr")
    assert "SIM-2" in held
    assert "An objection" in held
    assert "1,000" in held
    assert "refused, waiting" in waiting
    assert "unknown station" in waiting
    assert await words(window, "#apart .doubts li") == ["SIM-1 far from last timeAmanat: 0.20, before 0.80"]


async def test_exit_polls_stand_beside_the_count_and_apart_from_it(running: Running, window: Browser) -> None:
    await opened(running, window, evening.documents())
    assert await words(window, "#estimates thead th") == ["Party", "", "Counted so far", "Institute"]
    assert await words(window, "#estimates tbody tr:first-child td.number") == ["60.00 %", "61.00 %"]


async def test_a_projection_stands_apart_and_says_that_it_is_no_count(running: Running, window: Browser) -> None:
    shares = {
        "aq-jol": ("0.4150", "0.199996", "0.4400"),
        "amanat": ("0.5800", "0.5512", "0.6088"),
        "none": ("0.0050",) * 3,
    }
    projection = {
        "method": "stratified-by-area",
        "interval": "0.90",
        "areas": 5,
        "votes_expected": 1600,
        "counted": "0.6250",
        "selections": {name: dict(zip(("share", "lower", "upper"), one, strict=True)) for name, one in shares.items()},
    }
    await opened(running, window, evening.documents())
    assert await window.value("document.getElementById('projection').checkVisibility()") is False
    await running.press.publish({"contest:list": {**evening.the_list(), "projection": projection}})
    await window.until("document.querySelectorAll('#projection tbody tr').length", 2)
    assert await words(window, "#projection tbody td.number") == [
        "58.00 %", "55.12 % to 60.88 %", "41.50 %", "19.99 % to 44.00 %",  # not rounded up to the threshold
    ]  # fmt: skip
    (note,) = await words(window, "#projection p")
    assert "from 5 areas with 62.50 % of the expected votes in" in note
    assert "hold in 90.00 % of cases" in note
    assert await words(window, "#projection h2") == ["Projection, not a count"]
    await running.press.publish({"contest:list": {**evening.the_list(), "projection": None}})
    await window.until("document.getElementById('projection').checkVisibility()", False)


async def test_before_the_release_there_is_the_turnout_and_no_figure_of_any_contest(
    running: Running, window: Browser
) -> None:
    await opened(running, window, evening.embargoed())
    (notice,) = await words(window, "#contest .big")
    assert notice.startswith(("Not public before 19 Mar, 20:00", "Not public before 19 Mar, 21:00"))
    for section in ("house", "districts", "others", "areas", "estimates", "corrections", "declared", "projection"):
        assert await window.value(f"document.getElementById('{section}').checkVisibility()") is False, section
    assert await window.value("document.getElementById('turnout').checkVisibility()")
    assert "9.00 %" in (await words(window, "#turnout .claim"))[0]
    assert "600" not in await window.value("document.getElementById('main').textContent")


async def test_everything_can_be_reached_and_is_named_for_who_does_not_see_it(
    running: Running, window: Browser
) -> None:
    await opened(running, window, evening.documents())
    named = "svg[role=img], nav, progress, [role=region]"
    names = f"[...document.querySelectorAll('{named}')].map(node => node.getAttribute('aria-label'))"
    assert all(await window.value(names))
    levels = await window.value("[...document.querySelectorAll('h1,h2,h3')].map(node => Number(node.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert await window.value("document.querySelectorAll('th:not([scope])').length") == 0


@pytest.mark.parametrize("width", [420, 1400])
@pytest.mark.parametrize("language", ["kk", "ru", "en"])
async def test_it_fits_in_every_language(
    running: Running, window: Browser, tmp_path: Path, width: int, language: str
) -> None:
    await window.resize(width, 1600)
    await opened(running, window, evening.documents())
    await window.value(f"document.querySelector('nav button[lang={language}]').click()")
    await window.until("document.documentElement.lang", language)
    assert await window.value("document.documentElement.scrollWidth <= window.innerWidth")
    await window.screenshot(tmp_path / f"evening-{width}-{language}.png")
    assert await window.complaints() == []

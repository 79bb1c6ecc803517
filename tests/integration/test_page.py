"""The page in a real browser: it shows the night, says what the figures are, and moves by itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.browser import Browser, browser
from tests.support.gateways import Running, gateway, shows
from tests.support.revisions import area, definition

pytestmark = pytest.mark.page

TITLE = "document.querySelector('h1').textContent"
VOTES = "[...document.querySelectorAll('.bars li:not(.scale)')].map(row => row.querySelector('.votes').textContent)"
SHARES = "[...document.querySelectorAll('.bars .share')].map(cell => cell.textContent.replace(/\\u00a0/g, ' '))"
STALE = "document.getElementById('stale').hidden"


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with gateway() as made:
        yield made


@pytest.fixture
async def window(tmp_path: Path) -> AsyncIterator[Browser]:
    async with browser(tmp_path) as opened:
        yield opened


async def first_figures(running: Running, window: Browser) -> None:
    """Open the page in English with the first revision."""
    await running.press.publish()
    await running.press.say()
    await shows(running, 1)
    await window.open(running.url)
    await window.until("document.querySelectorAll('nav button').length", 3)
    await window.value("document.querySelector('nav button[lang=en]').click()")
    await window.until(TITLE, "Trial election")


async def test_it_waits_for_the_first_figures_and_moves_with_every_revision(running: Running, window: Browser) -> None:
    await window.open(running.url)
    await window.until("document.getElementById('waiting').textContent.length > 0", True)
    await first_figures(running, window)
    await window.until(VOTES, ["600", "300", "100"])
    await window.until(SHARES, ["60.00 %", "30.00 %", "10.00 %"])
    await running.press.publish({"areas:list:": [area("T", (601, 700, 100), 5)]})
    await window.until(VOTES, ["700", "601", "100"])
    assert await window.value("document.querySelector('.facts dd').textContent") == "5 of 10"
    assert await window.value("document.getElementById('revision').textContent.startsWith('Revision 2,')")


async def test_it_says_what_the_figures_are(running: Running, window: Browser) -> None:
    await first_figures(running, window)
    assert "SIMULATION" in await window.value("document.getElementById('environment').textContent")
    assert (
        await window.value("document.querySelector('#contest .base').textContent")
        == "Shares of 1,000 votes for all choices"
    )
    assert await window.value("document.querySelector('#contest .status').textContent") == "preliminary, counting"
    assert await window.value("[...document.querySelectorAll('.facts dt')].map(cell => cell.textContent)") == [
        "Stations reported", "Ballots issued", "Turnout in reported stations",
    ]  # fmt: skip
    assert "1,800" in await window.value("document.getElementById('turnout').textContent")
    assert "Institute" in await window.value("document.getElementById('estimates').textContent")
    assert await window.value("[...document.querySelectorAll('#areas tbody th')].map(cell => cell.textContent)") == [
        "Area T-B", "Area T-A",
    ]  # fmt: skip
    assert await window.value("document.querySelectorAll('#others .card').length") == 2


async def test_it_warns_when_figures_may_be_out_of_date(running: Running, window: Browser) -> None:
    await first_figures(running, window)
    assert await window.value(STALE) is True
    await running.press.leave()
    await window.until(STALE, False)
    assert "out of date" in await window.value("document.getElementById('stale').textContent")
    await running.press.say()
    await window.until(STALE, True)


async def test_names_come_from_an_amended_definition_without_a_reload(running: Running, window: Browser) -> None:
    await first_figures(running, window)
    amended = definition()
    amended["names"] = {**amended["names"], "en": "Amended election"}
    running.press.chain = "e" * 64
    await running.press.publish({"definition": amended})
    await window.until(TITLE, "Amended election")


@pytest.mark.parametrize(("language", "title"), [("kk", "Сынақ сайлауы"), ("ru", "Пробные выборы")])
async def test_it_speaks_the_elections_languages(running: Running, window: Browser, language: str, title: str) -> None:
    await first_figures(running, window)
    await window.value(f"document.querySelector('nav button[lang={language}]').click()")
    await window.until(TITLE, title)
    assert await window.value("document.documentElement.lang") == language


@pytest.mark.parametrize("width", [400, 1400])
async def test_it_fits_the_window_and_the_console_is_silent(
    running: Running, window: Browser, tmp_path: Path, width: int
) -> None:
    await window.resize(width, 1600)
    await first_figures(running, window)
    assert await window.value("document.documentElement.scrollWidth <= window.innerWidth")
    await window.screenshot(tmp_path / f"page-{width}.png")
    assert await window.complaints() == []

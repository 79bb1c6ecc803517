"""What the page says: the same keys and the same values to be filled in, in every language, and no key that nobody uses."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "services" / "tallyroom" / "gateway" / "page"
ENTRY = re.compile(
    r'^ *(?:"([^"]+)"|([A-Za-z_]\w*)): "((?:[^"\\]|\\.)*)"|[{,] *(?:"([^"]+)"|([A-Za-z_]\w*)): "((?:[^"\\]|\\.)*)"',
    re.MULTILINE,
)


def words(language: str) -> dict[str, str]:
    """Key -> text; keys of nested tables stand for themselves."""
    source = (PAGE / f"words-{language}.js").read_text("utf-8")
    return {(a or b or d or e): (c or f) for a, b, c, d, e, f in ENTRY.findall(source)}


@pytest.mark.parametrize("language", ["ru", "kk"])
def test_every_language_says_everything(language: str) -> None:
    english, other = words("en"), words(language)
    assert len(english) > 100
    assert set(other) == set(english)
    for key, text in english.items():
        holes = set(re.findall(r"\{\w+\}", text))
        assert set(re.findall(r"\{\w+\}", other[key])) == holes, key


def test_every_word_is_used() -> None:
    source = "".join(path.read_text("utf-8") for path in PAGE.glob("*.js") if not path.name.startswith("words-"))
    nested = {"states", "acts", "method", "parties", "status", "apartStates", "codes", "stands"}
    table = (PAGE / "words-en.js").read_text("utf-8")
    inner = {key for name in nested for key in words_of(table, name)}
    unused = [
        key for key in words("en") if key not in inner and not re.search(rf"[\"'`|]{re.escape(key)}[\"'`]", source)
    ]
    assert [key for key in unused if not key.startswith("base.") and key not in ("simulation", "test")] == []


def words_of(table: str, name: str) -> list[str]:
    """Keys of a nested table."""
    body = re.search(rf"^  {name}: \{{(.*?)(?: \}},$|\n  \}})", table, re.MULTILINE | re.DOTALL)
    assert body is not None, name
    return [a or b for a, b in re.findall(r'(?:"([^"]+)"|([A-Za-z_]\w*)): "', body[1])]

"""The check of what is shipped: an advisory fails it, an index that knows none is never taken for "all clear"."""

from importlib.metadata import distribution
from typing import Any

import pytest

from tests.supply import __main__ as supply

PACKAGES = {name: distribution(name) for name in ("msgspec", "redis")}
CLEAN: list[dict[str, Any]] = [
    {"name": "msgspec", "version": "1", "vulns": []},
    {"name": "Redis", "version": "1", "vulns": []},
]
SKIPPED = [{"name": name, "skip_reason": "Dependency not found on PyPI"} for name in PACKAGES]
BAD: list[dict[str, Any]] = [
    CLEAN[0],
    {"name": "redis", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["9"]}]},
]


def test_skipped_packages_are_unknown_and_not_clean() -> None:
    assert supply.judged(SKIPPED, PACKAGES) == ([], ["msgspec", "redis"])
    assert supply.judged([], PACKAGES) == ([], ["msgspec", "redis"])
    assert supply.judged(CLEAN, PACKAGES) == ([], [])
    bad, unknown = supply.judged(BAD, PACKAGES)
    assert unknown == []
    assert bad == [f"redis {PACKAGES['redis'].version}: PYSEC-1, mended in 9"]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (None, None, ([], ["msgspec", "redis"])),
        (SKIPPED, None, ([], ["msgspec", "redis"])),
        (SKIPPED, CLEAN, ([], [])),
        (CLEAN, None, ([], [])),
    ],
)
def test_the_next_service_is_asked_where_the_first_knows_nothing(
    monkeypatch: pytest.MonkeyPatch, first: object, second: object, expected: object
) -> None:
    answers = dict(zip(supply.SERVICES, (first, second), strict=True))
    monkeypatch.setattr(supply, "asked", answers.__getitem__)
    assert supply.audit(PACKAGES) == expected


def test_what_is_shipped_has_no_tools_and_known_licences() -> None:
    found = supply.shipped()
    assert {"tallyroom", "aiokafka", "msgspec", "pynacl", "cffi"} <= set(found)
    assert not {"pytest", "ruff", "mypy", "cryptography", "hypothesis", "pip-audit"} & set(found)
    told = {name: supply.licence(dist) for name, dist in found.items()}
    assert not {name: text for name, text in told.items() if not supply.GOOD.search(text)}
    assert not supply.GOOD.search("GPL-3.0-or-later")

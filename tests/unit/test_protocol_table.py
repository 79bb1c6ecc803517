"""docs/exactly-once.md names tests for every rule of the protocol: all thirteen, and only tests that exist."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "exactly-once.md").read_text("utf-8")


def test_every_rule_of_the_protocol_has_a_test() -> None:
    rows = re.findall(r"^\| (\d+)\. [^|]+\| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 14))
    assert all("::test_" in tests for _, tests in rows)


def test_the_tests_that_hold_the_rules_exist() -> None:
    named = set(re.findall(r"`([a-z_]+/test_\w+\.py)::(test_\w+)`", PAGE))
    assert len(named) > 30
    missing = []
    for path, name in sorted(named):
        tree = ast.parse((TESTS / path).read_text("utf-8")) if (TESTS / path).exists() else ast.Module([], [])
        found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        missing += [f"{path}::{name}"] if name not in found else []
    assert not missing

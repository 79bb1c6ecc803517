"""Logs as JSON lines, and registries that do not meet."""

import json
import subprocess
import sys

import pytest
from prometheus_client import generate_latest

from tallyroom.domain.errors import SettingError
from tallyroom.telemetry.logs import configure_logs
from tallyroom.telemetry.metrics import gateway_metrics, new_registry, publisher_metrics, tabulator_metrics

PROGRAM = """
import logging
from tallyroom.telemetry.logs import configure_logs, get_logger
early = get_logger("publisher")
configure_logs("publisher", "json")
early.info("serving", revision=7, note="Қазақстан")
logging.getLogger("some.library").warning("odd %s", "thing")
try:
    1 / 0
except ZeroDivisionError:
    early.exception("failed")
"""


def test_every_line_is_one_json_object_on_standard_error() -> None:
    # A process of its own: the logging of a process is configured once.
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == ""
    own, foreign, failure = (json.loads(line) for line in ran.stderr.splitlines())
    assert (own["event"], own["service"], own["revision"], own["note"]) == ("serving", "publisher", 7, "Қазақстан")
    assert own["timestamp"].endswith("Z")
    assert (foreign["event"], foreign["level"], foreign["service"]) == ("odd thing", "warning", "publisher")
    assert failure["exception"][0]["exc_type"] == "ZeroDivisionError"


def test_an_unknown_form_names_its_setting() -> None:
    with pytest.raises(SettingError, match="TALLYROOM_LOG_FORMAT"):
        configure_logs("publisher", "xml")


def test_services_have_registries_of_their_own() -> None:
    tabulator, other = new_registry("tabulator"), new_registry("tabulator")
    metrics = tabulator_metrics(tabulator)
    tabulator_metrics(other)
    publisher_metrics(new_registry("publisher"))
    gateway_metrics(new_registry("gateway"))
    fates = {"accepted": 5, "superseded": 2, "duplicates": 3, "late": 1, "decreases": 4, "aside": 9}
    metrics.count(10, fates)
    expected = {
        "tallyroom_reports_consumed_total": 10,
        "tallyroom_reports_accepted_total": 5,
        "tallyroom_reports_superseded_total": 2,
        "tallyroom_reports_duplicate_total": 3,
        "tallyroom_reports_late_total": 1,
        "tallyroom_accepted_decreases_total": 4,
    }
    assert {name: tabulator.get_sample_value(name) for name in expected} == expected
    assert other.get_sample_value("tallyroom_reports_consumed_total") == 0
    assert b'tallyroom_build_info{python="' in generate_latest(tabulator)

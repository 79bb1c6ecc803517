"""docker-compose.yml and deploy/: what can be told without a Docker engine."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
PROMETHEUS: Final = ROOT / "deploy" / "prometheus"
ONE_SHOT: Final = {"topics", "replay"}
COMMANDS: Final = {
    "night", "tabulator", "publisher", "returns", "auditor", "gateway", "replay", "publish", "record", "import",
    "simulate", "topics",
    "tabulate", "snapshot", "quarantine", "desk", "unit", "amend",
}  # fmt: skip
"""The fixed names that others script against."""

Service = dict[str, Any]
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: Final[dict[str, Service]] = COMPOSE["services"]
OURS: Final = {name: service for name, service in SERVICES.items() if "build" in service}


def rules() -> list[dict[str, Any]]:
    """Every alert of the rule file."""
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def promtool(*arguments: str) -> None:
    """Run promtool in deploy/prometheus; it must be content. Without it: skipped on a laptop, failed in CI."""
    program = shutil.which("promtool")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("promtool is missing (Debian: prometheus)")
        pytest.skip("promtool is missing (Debian: prometheus)")
    done = subprocess.run(
        [program, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_whole_room_is_there() -> None:
    roles = {
        "kafka",
        "valkey",
        "topics",
        "tabulator",
        "publisher",
        "returns",
        "auditor",
        "desk",
        "replay",
        "prometheus",
        "grafana",
    }
    assert set(SERVICES) == roles | {"gateway-1", "gateway-2"}
    assert SERVICES["tabulator"]["deploy"]["replicas"] == 2
    ports = {SERVICES[name]["ports"][0] for name in ("gateway-1", "gateway-2")}
    assert ports == {"8600:8600", "8602:8600"}


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    _, _, tag = SERVICES[name]["image"].rpartition(":")
    assert re.fullmatch(r"v?\d+\.\d+\.\d+(-[a-z0-9]+)?", tag), SERVICES[name]["image"]


def test_the_image_is_built_from_pinned_bases() -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "deploy/Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert len(bases) == 2
    assert all(re.search(r":\d+\.\d+\.\d+-", base) for base in bases)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_tells_its_health_or_ends(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOT:
        assert service["healthcheck"] == {"disable": True}
        assert service["restart"].startswith("on-failure:")
    else:
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_commands_that_exist(name: str) -> None:
    program, command, *_ = OURS[name]["command"]
    assert program == "tallyroom"
    assert command in COMMANDS
    assert command == name.partition("-")[0]


def test_settings_are_settings() -> None:
    settings = (ROOT / "services/tallyroom/settings.py").read_text("utf-8")
    for service in OURS.values():
        assert not [name for name in service["environment"] if f'"{name}"' not in settings]


@pytest.mark.parametrize("name", SERVICES)
def test_files_that_are_mounted_exist(name: str) -> None:
    sources = [volume.split(":")[0] for volume in SERVICES[name].get("volumes", [])]
    missing = [source for source in sources if source.startswith("./") and not (ROOT / source).is_dir()]
    assert not missing
    assert {source for source in sources if not source.startswith("./")} <= set(COMPOSE["volumes"])


def test_what_is_waited_for_exists() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            one_shot = how["condition"] == "service_completed_successfully"
            assert one_shot == (other in ONE_SHOT), f"{name} waits for {other}"


def test_the_store_keeps_an_append_only_file_and_evicts_nothing() -> None:
    command = SERVICES["valkey"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options == {"--appendonly": "yes", "--appendfsync": "everysec", "--maxmemory-policy": "noeviction"}


def test_nothing_in_the_log_expires() -> None:
    lines = (ROOT / "deploy/kafka/server.properties").read_text("utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert settings["log.retention.ms"] == "-1"
    assert settings["log.retention.bytes"] == "-1"
    assert settings["auto.create.topics.enable"] == "false"


def test_prometheus_asks_every_replica_on_the_ops_port() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    ops = OURS["tabulator"]["environment"]["TALLYROOM_OPS_PORT"]
    [tabulators] = jobs["tabulator"]["dns_sd_configs"]
    assert (tabulators["names"], str(tabulators["port"])) == (["tabulator"], ops)
    for job in ("publisher", "auditor", "gateway"):
        targets = {target for group in jobs[job]["static_configs"] for target in group["targets"]}
        assert targets == {f"{name}:{ops}" for name in OURS if name.partition("-")[0] == job}


def test_every_alert_leads_to_its_section_of_the_runbook() -> None:
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs/runbook.md").read_text("utf-8"), re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_every_alert_is_seen_firing_and_silent() -> None:
    cases = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text("utf-8"))["tests"]
    checks = [check for case in cases for check in case["alert_rule_test"]]
    alerts = {rule["alert"] for rule in rules()}
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == alerts
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == alerts


def test_prometheus_accepts_configuration_and_rules() -> None:
    promtool("check", "config", "prometheus.yml")


def test_alerts_fire_when_they_should() -> None:
    promtool("test", "rules", "rules_test.yml")


def test_the_dashboard_reads_from_the_provisioned_source() -> None:
    folder = ROOT / "deploy/grafana"
    [source] = yaml.safe_load((folder / "provisioning/datasources/prometheus.yml").read_text("utf-8"))["datasources"]
    dashboard = json.loads((folder / "dashboards/tallyroom.json").read_text("utf-8"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert panels
    assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
    assert all(target["expr"] for panel in panels for target in panel["targets"])
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])

"""What people and clients ask: query strings, settings, archives of nights. A value, or the one declared error."""

import gzip
import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyroom.domain.errors import DefinitionError, RecordingError, SettingError
from tallyroom.gateway.problem import Problem
from tallyroom.gateway.query import flag, parameters
from tallyroom.recordings.nights import import_night
from tallyroom.settings import Settings, read_settings
from tests.support.mangled import NASTY, json_like, tear, tears, torn
from tests.support.shared import archived_night

NAMES: Final = (
    "KAFKA_URL", "KAFKA_SECURITY", "KAFKA_MECHANISM", "KAFKA_USERNAME", "KAFKA_PASSWORD", "KAFKA_PASSWORD_FILE", "KAFKA_CA",
    "KAFKA_REPLICATION", "KAFKA_MIN_INSYNC", "REDIS_URL", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_PASSWORD_FILE", "REDIS_CA",
    "DATA", "HTTP_PORT", "OPS_PORT", "PARTITIONS", "HOST", "LOG_FORMAT", "KEY_FILE", "PUBLIC", "RATE", "KEY_RATE", "STREAMS",
    "PROXIES", "FRAME_ANCESTORS",
)  # fmt: skip
TEXTS: Final = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    NASTY.filter(lambda text: "\0" not in text),
    st.sampled_from(
        ["kafka://a:9092", "kafka://", "kafka://a@b", "redis://a", "rediss://u:p@a:1/0", "redis://[::1]:6379",
        "redis://[", "unix:///a",
         "redis://a:b", "redis://a:99999999", "sasl_ssl", "ssl", "PLAIN", "true", "8600", "-1", "65536", "\u0661",
         "10.0.0.0/8", "/dev/null", "."]
    ),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(NAMES).map("TALLYROOM_{}".format), TEXTS, max_size=6))
def test_settings(environ: Mapping[str, str]) -> None:
    try:
        found = read_settings(environ)
    except SettingError:
        return
    assert isinstance(found, Settings)
    assert read_settings({**environ, **found.environment()}) == found


@given(st.binary(max_size=200) | st.sampled_from([b"contest=a,b&area=c", b"a=%ff%fe", b"level=%"]).flatmap(torn))
def test_query_strings(query: bytes) -> None:
    try:
        given_values = parameters(query, ("contest", "area", "level"))
        flag(given_values, "level", default=False)
    except Problem:
        return


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest of the archived nights, to be damaged."""
    return Path(shutil.copytree(archived_night("nl-gr2022-west-maas-en-waal"), tmp_path_factory.mktemp("a") / "night"))


@given(st.data())
def test_archives_of_nights(archive: Path, data: st.DataObject) -> None:
    copy, out = archive.parent / "copy", archive.parent / "out"
    copy.mkdir(exist_ok=True)
    manifest = json.loads((archive / "manifest.json").read_bytes())
    rows = gzip.decompress((archive / "stations.csv.gz").read_bytes())
    changed = damaged(rows, data)
    packed = gzip.compress(changed, 1)
    if data.draw(st.booleans()):
        packed = tear(packed, data.draw(tears(len(packed))))
    (copy / "stations.csv.gz").write_bytes(packed)
    for entry in manifest["files"]:
        entry["sha256"] = hashlib.sha256(packed).hexdigest()
    text = json.dumps(manifest).encode() if changed is not rows else data.draw(json_like(manifest))
    (copy / "manifest.json").write_bytes(text)
    try:
        import_night(copy, out)
    except (RecordingError, DefinitionError):
        return


def damaged(rows: bytes, data: st.DataObject) -> bytes:
    """The table as it is, torn, or with other cells. The table itself is never drawn: Hypothesis would keep it, each time."""
    how = data.draw(st.sampled_from(["whole", "torn", "cells"]))
    if how == "whole":
        return rows
    if how == "torn":
        return tear(rows, data.draw(tears(len(rows))))
    lines = io.StringIO(rows.decode()).readlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        cells = lines[at].rstrip("\r\n").split(",")
        cells[data.draw(st.integers(0, len(cells) - 1))] = data.draw(NASTY)
        lines[at] = ",".join(cells) + "\n"
    return "".join(lines).encode("utf-8", "replace")

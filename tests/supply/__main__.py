"""``make supply``, part of ``make check``: what is shipped with us, under which licences, and what is known against it.

Writes build/sbom.json (CycloneDX, validated) and build/licences.txt of the packages that run on the night; then asks for
advisories about them. Where no service of advisories can be reached, it says so and ends well, unless ``--required`` is given.
"""

import argparse
import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any, Final

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

OUT: Final = Path("build")
SERVICES: Final = ("pypi", "osv")
"""Services that pip-audit can ask, in this order."""
SECONDS: Final = 120
GOOD: Final = re.compile(
    r"(MIT|Apache|BSD|ISC|PSF|Python Software Foundation|Python-2\.0|MPL|Mozilla|Unlicense|Zlib|HPND|0BSD|Repoze)",
    re.IGNORECASE,
)
"""Licences that may be distributed with a work under Apache-2.0. Repoze's is BSD's with a clause on its name."""


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def shipped() -> dict[str, Distribution]:
    """What `pip install tallyroom` brings on this machine, by normalised name: without tools for tests and development."""
    found: dict[str, Distribution] = {}
    waiting = [("tallyroom", frozenset[str]())]
    while waiting:
        name, extras = waiting.pop()
        dist = distribution(name)
        if normal(name) in found and not extras:
            continue
        found[normal(name)] = dist
        waiting += [(item.name, frozenset(item.extras)) for item in wanted(dist, extras)]
    return dict(sorted(found.items()))


def wanted(dist: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    """Requirements of a package, with these extras, that hold here."""
    for line in dist.requires or ():
        item = Requirement(line)
        if item.marker is None or any(item.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield item


def licence(dist: Distribution) -> str:
    """The licence as the package states it: expression, classifiers, or the first line of its text."""
    told = dist.metadata
    classifiers = [
        line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or () if line.startswith("License ::")
    ]
    fields = [(told.get_all(name) or [""])[0] for name in ("License-Expression", "License")]
    said = fields[0] or ", ".join(classifiers) or fields[1].strip()
    return said.splitlines()[0] if said else "not stated"


def sbom(packages: Mapping[str, Distribution]) -> int:
    """Write the bill of materials of these packages; how many components it has. Raises ValueError if it is not valid."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", "pyproject.toml"]
    command += ["--output-reproducible", "--of", "JSON", "--sv", "1.6", sys.executable]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=900).stdout)
    kept = [
        item for item in made["components"] if normal(item["name"]) in packages and normal(item["name"]) != "tallyroom"
    ]
    names = {item["bom-ref"] for item in kept} | {made["metadata"]["component"]["bom-ref"]}
    made["components"] = kept
    made["dependencies"] = [
        {**item, "dependsOn": [name for name in item.get("dependsOn", ()) if name in names]}
        for item in made["dependencies"]
        if item["ref"] in names
    ]
    text = json.dumps(made, indent=2, sort_keys=True)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault is not None:
        raise ValueError(f"the bill of materials is not valid: {fault}")
    (OUT / "sbom.json").write_text(text + "\n", "utf-8")
    return len(kept)


def asked(service: str) -> list[dict[str, Any]] | None:
    """What the service says of every installed package; None if it does not answer."""
    command = [sys.executable, "-m", "pip_audit", "--path", sysconfig.get_path("purelib"), "--format", "json"]
    command += ["--progress-spinner", "off", "--timeout", "8", "--vulnerability-service", service]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        found = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return None
    return [dict(item) for item in found]


def judged(answers: list[dict[str, Any]], packages: Mapping[str, Distribution]) -> tuple[list[str], list[str]]:
    """(advisories that hold, packages that nothing was said about) among the packages that are shipped.

    pip-audit ends with "No known vulnerabilities found" although it skipped every package: an index without advisories answers so.
    """
    bad, unknown = [], []
    said = {normal(item["name"]): item for item in answers}
    for name, dist in packages.items():
        item = said.get(name, {})
        if "vulns" not in item:
            unknown.append(name)
        for fault in item.get("vulns", ()):
            fixed = ", ".join(fault.get("fix_versions", ())) or "no version yet"
            bad.append(f"{name} {dist.version}: {fault['id']}, mended in {fixed}")
    return bad, unknown


def audit(packages: Mapping[str, Distribution]) -> tuple[list[str], list[str]]:
    """The same from the first service that knows the packages."""
    unknown = list(packages)
    for service in SERVICES:
        answers = asked(service)
        if answers is not None:
            bad, unknown = judged(answers, packages)
            if bad or not unknown:
                return bad, unknown
    return [], unknown


def main(arguments: list[str]) -> int:
    """Write, ask, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.supply", description=main.__doc__)
    parser.add_argument("--required", action="store_true", help="fail if advisories cannot be asked for")
    options = parser.parse_args(arguments)
    OUT.mkdir(exist_ok=True)
    everything = shipped()
    packages = {name: dist for name, dist in everything.items() if name != "tallyroom"}
    licences = {name: licence(dist) for name, dist in packages.items()}
    lines = [f"{name} {packages[name].version}: {text}" for name, text in licences.items()]
    (OUT / "licences.txt").write_text("\n".join(lines) + "\n", "utf-8")
    strange = [f"{name}: licence {text!r}" for name, text in licences.items() if not GOOD.search(text)]
    print(f"build/licences.txt: {len(lines)} packages, {len(strange)} with a licence to be looked at")
    print(f"build/sbom.json: {sbom(everything)} components, valid CycloneDX 1.6")
    bad, unknown = audit(packages)
    if unknown:
        print(
            f"advisories: could not be asked about {len(unknown)} of {len(packages)} packages: no service answers here"
        )
    else:
        print(f"advisories: {len(bad)} for {len(packages)} packages")
    for line in (*strange, *bad):
        print(f"  {line}", file=sys.stderr)
    return 1 if bad or strange or (unknown and options.required) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""House rules that no published tool holds: sizes, names that must stand in the documents, what newcomers see first."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = ROOT / "services" / "tallyroom"
MAX_FUNCTION: Final = 60
MAX_MODULE: Final = 400
METRIC_SUFFIX: Final = {
    "Counter": "_total", "Gauge": "", "Histogram": "", "Summary": "", "Info": "_info", "Enum": "",
}  # fmt: skip
"""What prometheus-client adds to the name that a metric of this kind is registered with."""


def modules(*tops: str) -> list[Path]:
    """All Python modules below these folders of the checkout."""
    found = sorted(path for top in tops for path in (ROOT / top).rglob("*.py"))
    assert found, f"no modules below {tops}"
    return found


def label(path: Path) -> str:
    """The path as a person would name it."""
    return str(path.relative_to(ROOT))


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function that is too long; decorators do not count."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > MAX_FUNCTION:
                yield node.name, length


def prints(source: str) -> bool:
    """Whether the module prints and is not a command of its own (one run by ``python -m``)."""
    tree = ast.parse(source)
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    used = any(isinstance(called, ast.Name) and called.id == "print" for called in calls)
    return used and "__main__" not in {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def registered_metrics(source: str) -> Iterator[str]:
    """The names under which the metrics that this module registers are exposed."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.func, ast.Name | ast.Attribute):
            continue
        kind = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        first = node.args[0]
        if kind in METRIC_SUFFIX and isinstance(first, ast.Constant) and str(first.value).startswith("tallyroom_"):
            yield str(first.value).removesuffix(METRIC_SUFFIX[kind]) + METRIC_SUFFIX[kind]


def all_metrics() -> set[str]:
    """Every metric that the source registers."""
    return {name for path in modules("services") for name in registered_metrics(path.read_text("utf-8"))}


def imported(source: str) -> Iterator[str]:
    """Top-level names of everything that a module imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def normal(requirement: str) -> str:
    """The normalised name of the package that a requirement asks for."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]).lower()


def project() -> dict[str, list[str]]:
    """Normalised names of what pyproject.toml asks for: ``run``, ``test``, ``dev``."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = table["optional-dependencies"]
    wanted = {"run": table["dependencies"], "test": extras["test"], "dev": extras["dev"]}
    return {name: [normal(line) for line in lines if normal(line) != "tallyroom"] for name, lines in wanted.items()}


def operating() -> str:
    """The page where every setting and metric stands."""
    return (ROOT / "docs" / "operating.md").read_text("utf-8")


def test_functions_are_short() -> None:
    long = [
        f"{label(path)}: {name} has {length} lines"
        for path in modules("services", "tests")
        for name, length in long_functions(path.read_text("utf-8"))
    ]
    assert not long


def test_modules_are_short() -> None:
    lengths = {label(path): len(path.read_text("utf-8").splitlines()) for path in modules("services", "tests")}
    assert not {name: length for name, length in lengths.items() if length > MAX_MODULE}


def test_a_function_of_one_line_too_many_is_found() -> None:
    body = "\n".join(["    x = 1"] * (MAX_FUNCTION - 1))
    assert not list(long_functions(f"def fits():\n{body}\n"))
    assert list(long_functions(f"async def long():\n{body}\n    y = 2\n")) == [("long", MAX_FUNCTION + 1)]


def test_only_commands_print() -> None:
    printing = [label(path) for path in modules("services") if prints(path.read_text("utf-8"))]
    assert not [name for name in printing if "/tallyroom/cli/" not in name]


def test_a_print_is_found() -> None:
    assert prints("def f():\n    print(1)\n")
    assert not prints("def f():\n    console.print(1)\n")
    assert not prints("print(1)\nif __name__ == '__main__':\n    f()\n")


def test_every_setting_is_documented() -> None:
    used = {
        name
        for path in modules("services")
        for name in re.findall(r"\bTALLYROOM_[A-Z]+(?:_[A-Z]+)*\b", path.read_text("utf-8"))
    }
    assert used, "no settings found: is the pattern still right?"
    assert not used - set(re.findall(r"\bTALLYROOM_[A-Z_]+\b", operating()))


def test_every_metric_is_documented() -> None:
    metrics = all_metrics()
    assert "tallyroom_reports_consumed_total" in metrics
    assert not metrics - set(re.findall(r"\btallyroom_[a-z_]+\b", operating()))


def test_rules_and_dashboard_ask_for_metrics_that_exist() -> None:
    files = [ROOT / "deploy/prometheus/rules.yml", ROOT / "deploy/grafana/dashboards/tallyroom.json"]
    for path in files:
        asked = set(re.findall(r"\btallyroom_[a-z_]+\b", path.read_text("utf-8")))
        assert asked, f"{path.name} asks for nothing"
        assert not {name.removesuffix("_bucket") for name in asked} - all_metrics(), path.name


def test_every_dependency_stands_in_its_document_with_a_licence_and_a_reason() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8").partition("## Not from the package index")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    documented = {row[0]: row for row in rows if row[0] != "package"}
    assert sorted(documented) == sorted(name for names in project().values() for name in names)
    assert not [name for name, row in documented.items() if len(row) != 4 or not all(row)]


def test_what_the_source_imports_is_asked_for() -> None:
    found = {name for path in modules("services") for name in imported(path.read_text("utf-8"))}
    outside = {name for name in found if name not in sys.stdlib_module_names and name != "tallyroom"}
    packages = packages_distributions()
    owners = {name: {normal(owner) for owner in packages.get(name, [name])} for name in outside}
    # The test plugin is loaded by pytest alone, which is therefore there whenever it is imported.
    allowed = {*project()["run"], "pytest"}
    assert not {name: found for name, found in owners.items() if not found & allowed}


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY:(.*)$", makefile, re.MULTILINE)
    assert phony is not None
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    shown = set(re.findall(r"^  make (\w+) ", done.stdout, re.MULTILINE))
    assert shown == set(phony[1].split())
    assert shown >= {"run", "test", "check", "bench", "kafka", "clean", "help"}


def test_readme_opens_with_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    first = re.search(r"^```\w*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert first is not None, "README.md has no commands"
    commands = [line for line in first[1].splitlines() if line.strip() and not line.startswith("#")]
    assert [" ".join(line.split()[:2]) for line in commands] == ["make run", "make test"]


@pytest.mark.parametrize("name", ["LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/runbook.md"])
def test_the_top_level_is_complete(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


def test_the_licence_is_the_one_that_is_named() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")[:200]
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text("utf-8")


RUNS_CODE: Final = frozenset({"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle", "joblib"})
"""Formats that can run what they hold."""


def runs_code(source: str) -> list[str]:
    """What a module reads or calls that can run the code of its input."""
    found = [name for name in imported(source) if name in RUNS_CODE]
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"eval", "exec", "__import__"}
        ):
            found.append(node.func.id)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"unsafe_load", "full_load"}
        ):
            found.append(node.func.attr)
    return found


def test_nothing_that_is_read_can_run_code() -> None:
    found = {label(path): runs_code(path.read_text("utf-8")) for path in modules("services", "schemas")}
    assert not {name: what for name, what in found.items() if what}
    assert runs_code("import pickle\n") == ["pickle"]
    assert runs_code("from marshal import loads\neval(text)\n") == ["marshal", "eval"]


def test_certificates_are_always_checked() -> None:
    loose = re.compile(r"CERT_NONE|check_hostname\s*=\s*False|verify\s*=\s*False|_create_unverified_context")
    assert not [label(path) for path in modules("services") if loose.search(path.read_text("utf-8"))]

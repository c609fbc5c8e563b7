"""The version is the same wherever it stands, and the lock has a hash of every package."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def test_version_and_date_are_those_of_the_changelog():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = re.findall(r"^## \[([\d.]+)\] - ([\d-]+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert changes[0] == (version, str(citation["date-released"]))
    assert citation["version"] == version


def test_targets_of_the_workflow_exist():
    text = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    steps = [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]]
    targets = [step["run"].split()[1] for step in steps if "run" in step]
    assert targets == ["test", "test-docs", "release"]
    for target in targets:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


def test_every_requirement_is_locked_with_its_hashes():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    pins = [line.split(" --hash=sha256:") for line in lock if not line.startswith("#")]
    assert [pin.strip() for pin, *hashes in pins if not hashes or any(len(each.strip()) != 64 for each in hashes)] == []
    versions = {}
    for pin, *_ in pins:
        found = Requirement(pin)
        versions.setdefault(found.name, []).append(str(found.specifier).removeprefix("=="))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["install"]]
    wanted += [line for extra, lines in extras.items() if extra != "llm" for line in lines]
    for each in map(Requirement, wanted):
        assert each.specifier.contains(versions[canonicalize_name(each.name)][0]), each

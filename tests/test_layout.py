"""Our top-level names are also names of public packages: prove that ours are the ones imported."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTION = "mso-hub"
PACKAGES = ("hub", "connectors", "schema", "jobs")
DATA_FOLDERS = ("fixtures", "tests")

LOCATE = """
import importlib.util, json
names = {names!r}
print(json.dumps({{name: importlib.util.find_spec(name).origin for name in names}}))
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_owns_the_import_name(package: str) -> None:
    assert set(packages_distributions()[package]) == {DISTRIBUTION}


@pytest.mark.parametrize("name", DATA_FOLDERS)
def test_no_installed_distribution_owns_the_name_of_a_data_folder(name: str) -> None:
    assert name not in packages_distributions()


def test_the_packages_resolve_to_this_project_from_another_directory(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-P", "-c", LOCATE.format(names=PACKAGES)],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        text=True,
    )
    origins = {name: Path(origin) for name, origin in json.loads(found.stdout).items()}
    assert origins == {name: ROOT / name / "__init__.py" for name in PACKAGES}


@pytest.mark.parametrize("folder", DATA_FOLDERS)
def test_a_data_folder_is_no_package(folder: str) -> None:
    assert list((ROOT / folder).rglob("__init__.py")) == []


def test_every_top_level_package_is_one_of_ours() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(PACKAGES)


def test_the_constraints_bar_every_rival() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    barred = {line.removesuffix("<0") for line in lines if line.endswith("<0")}
    assert barred >= {*PACKAGES, "fixtures"}


def test_the_pinned_requirements_hold_no_rival_and_no_address() -> None:
    text = (ROOT / "requirements.txt").read_text()
    pinned = set(re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE))
    assert len(pinned) > 20
    assert pinned.isdisjoint({*PACKAGES, *DATA_FOLDERS})
    assert "://" not in text

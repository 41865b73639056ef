"""The documentation says what the program does: read from both and compared."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import typer.main

from hub.domain.jobs import Job
from hub.entrypoints.cli import main
from hub.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = _generator()
CONNECTORS = sorted(path.parent for path in (ROOT / "connectors").glob("*/connector.toml"))


def reference_text() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in sorted(REFERENCE.glob("*.md")))


def markdown_pages() -> list[Path]:
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "connectors").rglob("*.md"),
    ]
    return sorted(pages)


def published_files() -> Iterator[Path]:
    """Every file of the project that is text, whether committed yet or not."""
    folders = ("hub", "connectors", "schema", "jobs", "fixtures", "tests", "bench", "docs", ".ci")
    not_ours = (".env", ".git")  # a linked work tree has a file of that name
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.name not in not_ours)
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


@pytest.mark.parametrize("name", GENERATE.PAGES)
def test_a_generated_page_is_what_the_program_gives_now(name: str) -> None:
    committed = (REFERENCE / name).read_text(encoding="utf-8")
    assert committed == GENERATE.PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_in_the_reference(field: str) -> None:
    assert f"`{GENERATE.variable(field)}`" in reference_text()
    assert Settings.model_fields[field].description


NAMED_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def test_every_test_that_a_page_names_is_there() -> None:
    named = {found for page in markdown_pages() for found in NAMED_TEST.findall(page.read_text())}
    assert len(named) > 150
    for file in {file for file, _ in named}:
        path = ROOT / "tests" / file
        written = path.read_text(encoding="utf-8") if path.is_file() else ""
        there = set(re.findall(r"^def (test_\w+)", written, re.MULTILINE))
        assert {test for one, test in named if one == file} <= there, file


def test_every_fixture_that_the_page_of_hl7_names_is_there_and_no_message_is_left_out() -> None:
    page = (REFERENCE / "hl7-acceptance.md").read_text(encoding="utf-8")
    fixtures = {path.stem for path in (ROOT / "fixtures" / "ehr_hl7v2").glob("*.hl7")}
    named = set(re.findall(r"`([a-z]{3}_[a-z]\d\d\w*)`", page))
    assert named <= fixtures
    assert {name for name in fixtures if re.fullmatch(r"[a-z]{3}_[a-z]\d\d", name)} <= named


@pytest.mark.parametrize("job", Job)
def test_every_job_is_in_the_reference(job: Job) -> None:
    assert f"`{job.value}`" in reference_text()


@pytest.mark.parametrize("kind", [*GENERATE.error_classes()], ids=lambda kind: kind.__name__)
def test_every_error_and_its_code_are_in_the_reference(kind: type) -> None:
    assert f"| `{kind.__name__}` | `{kind.code}` |" in reference_text()


@pytest.mark.parametrize("code", GENERATE.codes())
def test_every_code_says_what_to_do_under_a_heading_of_its_own(code: str) -> None:
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    _, _, text = page.partition(f"### {code}\n\n")
    assert len(text.partition("\n")[0]) > 20


def test_every_folder_of_connectors_is_one_or_is_the_sdk() -> None:
    folders = {path.parent.name for path in (ROOT / "connectors").glob("*/__init__.py")}
    assert folders - {"sdk"} == {folder.name for folder in CONNECTORS}


@pytest.mark.parametrize("page", markdown_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [
        target.partition("#")[0]
        for target in targets
        if not re.match(r"[a-z][a-z0-9+.-]*:|#", target)
    ]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_decision_is_numbered_once_and_states_its_parts() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert numbers == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Alternatives"], page.name


# Each pattern is written so that it does not match itself.
FORBIDDEN = {
    "the host of a package registry": r"p[y]pi\.org|python[h]osted\.org|registry\.n[p]mjs\.org",
    "an absolute path of one machine": r"(?<![\w.~>/-])/(?:w[o]rk|r[o]ot|h[o]me|U[s]ers)/\w",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what].encode())
    found = [path for path in published_files() if pattern.search(path.read_bytes())]
    assert [str(path.relative_to(ROOT)) for path in found] == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("the host of a package registry", "pip install -i https://py" + "pi.org/simple"),
        ("an absolute path of one machine", "see `" + "/ho" + "me/me/notes.txt`"),
    ],
)
def test_what_no_file_may_name_is_recognised(what: str, text: str) -> None:
    assert re.search(FORBIDDEN[what], text) is not None


@pytest.mark.parametrize("page", markdown_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_source_file_a_page_names_exists(page: Path) -> None:
    named = re.findall(
        r"`((?:hub|connectors|schema|jobs|tests|docs|bench|\.ci)/[\w./-]+)`",
        page.read_text(encoding="utf-8"),
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


def commands() -> set[str]:
    """``send``, ``audit verify``: every command of the program, with its group."""
    found: set[str] = set()
    for name, command in typer.main.get_command(main.commands()).commands.items():  # type: ignore[attr-defined]
        members = getattr(command, "commands", {})
        found |= {f"{name} {member}" for member in members} or {name}
    return found


@pytest.mark.parametrize("page", markdown_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_a_page_names_exists(page: Path) -> None:
    known = commands()
    text = page.read_text(encoding="utf-8")
    named = re.findall(
        r"(?:`|^\s*)mso-hub\s+([a-z][a-z0-9-]*)(?:\s+([a-z][a-z-]*))?", text, re.MULTILINE
    )
    unknown = [
        f"{first} {second}".strip()
        for first, second in named
        if first not in known and f"{first} {second}" not in known
    ]
    assert unknown == []

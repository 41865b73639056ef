"""The gate before a release, on made-up changes of each kind and on the schema itself."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from hub.entrypoints.hub import utc_now
from schema.changes import RELEASED, allowed_by, coordinate, refused, version_under_way
from schema.export import sdl

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 6, 1)
BASE = """
directive @mark(a: Int) on FIELD
type Query { a(x: Int = 1, y: Int): String b: String u: U e: E f(i: In): String n: Node }
interface Node { id: ID! }
type I implements Node { id: ID! z: Int }
type J { q: Int }
union U = I | J
enum E { A B }
input In { k: Int l: Int }
type Gone { x: Int }
"""


def changed(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new)


BREAKING = [
    (" b: String", "", "Query.b"),
    ("a(x: Int = 1, y: Int)", "a(x: Int = 1)", "Query.a(y:)"),
    ("y: Int)", "y: Int!)", "Query.a(y:)"),
    ("f(i: In)", "f(i: In, w: Int!)", "Query.f(w:)"),
    (" b: String", " b: Int", "Query.b"),
    ("I implements Node", "I", "I"),
    ("U = I | J", "U = I", "J"),
    ("enum E { A B }", "enum E { A }", "E.B"),
    ("l: Int }", "l: Int m: Int! }", "In.m"),
    ("l: Int }", "}", "In.l"),
    ("k: Int ", "k: Int! ", "In.k"),
    ("type Gone { x: Int }", "", "Gone"),
    ("directive @mark(a: Int) on FIELD", "", "@mark"),
    ("type J { q: Int }", "type J { q: Int! } type K { x: Int }", None),
]
DANGEROUS = [
    ("x: Int = 1", "x: Int = 2", "Query.a(x:)"),
    ("f(i: In)", "f(i: In, v: Int)", "Query.f(v:)"),
    ("enum E { A B }", "enum E { A B C }", "E.C"),
    ("U = I | J", "U = I | J | Gone", "Gone"),
    ("l: Int }", "l: Int o: Int }", "In.o"),
    ("type J {", "type J implements Node { id: ID!", "Node"),
]


def places(
    head: str, base: str = BASE, allowed: tuple[str, ...] = (), changelog: str = ""
) -> list[str]:
    found = refused(base, head, allowed=allowed, changelog=changelog, today=TODAY)
    return [item.place for item in found]


@pytest.mark.parametrize(("old", "new", "place"), BREAKING)
def test_a_breaking_change_is_refused_unless_a_decision_allows_it(old, new, place):
    head = changed(old, new)
    if place is None:
        assert places(head) == []
        return
    assert places(head) == [place]
    assert places(head, changelog=f"`{place}`") == [place]
    assert places(head, allowed=("Query.other",)) == [place]
    assert places(head, allowed=(place,)) == []


@pytest.mark.parametrize(("old", "new", "place"), DANGEROUS)
def test_a_dangerous_change_needs_a_line_in_the_changelog(old, new, place):
    head = changed(old, new)
    assert places(head) == [place]
    assert places(head, changelog=f"- Added `{place}`.") == []


@pytest.mark.parametrize(
    ("deprecated", "removed", "place"),
    [
        (' b: String @deprecated(reason: "{}")', "", "Query.b"),
        (' b(p: Int @deprecated(reason: "{}")): String', " b: String", "Query.b(p:)"),
    ],
)
def test_what_was_deprecated_for_90_days_may_be_removed(deprecated, removed, place):
    head = changed(" b: String", removed)
    for days, expected in ((89, [place]), (90, []), (400, [])):
        reason = f"Use a; since {TODAY - timedelta(days=days)}."
        assert places(head, changed(" b: String", deprecated.format(reason))) == expected
    assert places(head, changed(" b: String", deprecated.format("Use a."))) == [place]


def test_an_enum_value_deprecated_long_enough_may_be_removed():
    base = changed("A B }", 'A B @deprecated(reason: "Since 2026-01-01.") }')
    assert places(changed("A B }", "A }"), base) == []


def test_additions_are_free():
    assert places(changed("b: String", "b: String c: String")) == []
    assert places(BASE + "type More { x: Int }") == []


def test_decision_records_allow_by_name_in_their_front_matter():
    pages = [
        '---\nallows: [Query.b, "E.B"]\n---\n# 1. X\n',
        "# 2. Y\nallows: [Query.c]\n",
        "---\n---\n",
    ]
    assert allowed_by(pages) == {"Query.b", "E.B"}


def test_only_the_version_under_way_counts_in_the_changelog():
    text = "# Changelog\n\n## [Unreleased]\n\n- `E.C`\n\n## [1.0.0]\n\n- `E.D`\n"
    assert "E.C" in version_under_way(text)
    assert "E.D" not in version_under_way(text)
    assert coordinate("Directive @mark was removed.") == "@mark"


def test_the_schema_changes_nothing_of_the_released_one_without_leave():
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs/decisions").glob("*.md")]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = refused(
        RELEASED.read_text(encoding="utf-8"),
        sdl(),
        allowed=allowed_by(pages),
        changelog=version_under_way(changelog),
        today=utc_now().date(),
    )
    assert [str(item) for item in found] == []

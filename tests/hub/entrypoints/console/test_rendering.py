"""What a page makes of a value."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.testclient import TestClient

from hub.entrypoints.console import rendering
from hub.entrypoints.console.rendering import FOLDER, LONGEST, ago, href, moment, shown, span, whole
from hub.entrypoints.console.routes import ConsoleHeaders


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0"),
        ("<b>&\"'", "&lt;b&gt;&amp;&#34;&#39;"),
        ("a\x00b\x1b[0m", "a⟨U+0000⟩b⟨U+001B⟩[0m"),
        ("\u202eabc\u2066\u200b", "⟨U+202E⟩abc⟨U+2066⟩⟨U+200B⟩"),
        ("a\r\nb\tc", "a⟨U+000D⟩\nb\tc"),
        ("Müller 東京", "Müller 東京"),
        (Markup("<i>"), "<i>"),
    ],
)
def test_a_value_is_escaped_and_what_cannot_be_seen_is_shown(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_long_value_is_cut_and_says_by_how_much() -> None:
    assert shown("x" * LONGEST) == "x" * LONGEST
    assert shown("x" * (LONGEST + 2)) == "x" * LONGEST + "… (2 more characters)"
    assert whole("x" * (LONGEST + 2)) == "x" * (LONGEST + 2)


def test_an_address_keeps_the_parameters_that_have_a_value() -> None:
    assert href("/console/messages", ctl="a&b c", type="", after=None) == (
        "/console/messages?ctl=a%26b+c"
    )
    assert len(href("/x", after="y" * 900)) > 900


def test_moments_and_lengths_are_told_in_utc_and_in_two_units() -> None:
    now = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
    assert "2026-03-02 11:00:00 UTC" in moment("2026-03-02T11:00:00+00:00")
    assert ago("2026-03-01T10:58:57+00:00", now) == "1 d 1 h"
    assert ago(None, now) == "–"
    assert [span(timedelta(seconds=each)) for each in (-1, 59, 61, 3_600)] == [
        "0 s", "59 s", "1 min", "1 h",
    ]  # fmt: skip


def test_no_template_shows_a_value_as_it_is() -> None:
    templates = [path.read_text(encoding="utf-8") for path in FOLDER.glob("templates/*.mako")]
    assert len(templates) > 10
    for text in templates:
        for word in ("|n", "| n", "<script", "style=", "onclick", "http://", "https://", "Markup"):
            assert word not in text


def test_what_pages_are_made_with_is_loaded_once_and_not_on_the_event_loop(monkeypatch) -> None:
    where = []

    @cache
    def load() -> str:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            where.append("a thread")
        else:
            where.append("the event loop")
        return "templates"

    monkeypatch.setattr(rendering, "_templates", load)
    with TestClient(ConsoleHeaders(Starlette())) as client:
        assert client.get("/other").status_code == 404
        assert where == []
        assert [client.get("/console/x").status_code for _ in "ab"] == [404, 404]
    assert where == ["a thread"]

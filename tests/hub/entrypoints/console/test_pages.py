"""Every page: for an empty hub and one in use, for whom it is, with what stands in it made
harmless."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from hub.entrypoints.console.areas import PAGES
from hub.entrypoints.console.rendering import HEADERS, POLICY

LISTS = [path for path in PAGES if "{" not in path]
OF_MSO = ("/console/trust/audit", "/console/issues")
BUTTONS = ("/pause", "/test", "/replay", "/retry", "/cancel", "/content")
SECRETIVE = ("QUILL", "Quillfeather", "7A", "7B")


def details(seeded: Any) -> dict[str, str]:
    """The address of one page of each kind."""
    return {
        "connection": f"/console/connections/{seeded.ids['feed']}",
        "message": f"/console/messages/{seeded.ids['hostile']}",
        "job": f"/console/jobs/{seeded.ids['dead']}",
    }


class Outline(HTMLParser):
    """What has to be right of a page's structure."""

    void = frozenset({"meta", "link", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.labels: set[str] = set()
        self.inputs: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes += given.items()
        if tag not in self.void:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "label":
            self.labels.add(given["for"])
        if tag in ("input", "select") and given.get("type") != "hidden":
            self.inputs.append(given["id"])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_page(answer: Any) -> None:
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["referrer-policy"] == "no-referrer"
    outline = Outline(answer.text)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.inputs) <= outline.labels
    assert outline.tags.count("h1") == 1
    assert "main" in outline.tags
    assert "script" not in outline.tags
    assert not [name for name, _ in outline.attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("path", LISTS)
def test_a_list_of_an_empty_hub_says_that_there_is_nothing(empty: Any, path: str) -> None:
    for name in ("reader", "app"):
        if name == "app" and path in OF_MSO:
            assert empty.person(name).get(path).status_code == 404
            continue
        answer = empty.person(name).get(path)
        assert answer.status_code == 200, answer.text
        check_page(answer)


@pytest.mark.parametrize("name", ["reader", "operator", "blind", "app A"])
def test_every_page_of_a_hub_in_use_is_sound_and_harmless(seeded: Any, name: str) -> None:
    person = seeded.person(name)
    shown = [person.get(path) for path in LISTS if name != "app A" or path not in OF_MSO]
    shown += [person.get(path) for path in details(seeded).values()]
    for answer in shown:
        assert answer.status_code in ((200, 404) if name == "app A" else (200,)), answer.text
        check_page(answer)
        for hostile in ("<script", "\u202e", "\x1b"):
            assert hostile not in answer.text
    if name != "app A":
        assert "⟨U+202E⟩evil⟨U+001B⟩" in shown[-1].text


def test_nothing_of_another_practice_is_shown(seeded: Any) -> None:
    person = seeded.person("app A")
    for path in LISTS:
        text = person.get(path).text
        assert "Clinic B" not in text
        assert "EHR of B" not in text
        assert "MSG-B" not in text
        assert seeded.ids["message B"] not in text
    assert "MSG-A" in person.get("/console/messages").text
    own = person.get(f"/console/messages/{seeded.ids['message A']}")
    assert (own.status_code, "MSG-A" in own.text) == (200, True)
    assert person.get("/console/trust/audit").status_code == 404


@pytest.mark.parametrize("kind", ["messages", "connections", "jobs"])
def test_a_foreign_id_is_answered_like_a_missing_one(seeded: Any, kind: str) -> None:
    person = seeded.person("app A")
    foreign = seeded.ids["message B" if kind == "messages" else "connection B"]
    answers = [person.get(f"/console/{kind}/{row_id}") for row_id in (foreign, "bWlzc2luZw==", "x")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({re.sub(r'value="\w+"', "", answer.text) for answer in answers}) == 1


def test_buttons_are_there_for_who_may_press_them(seeded: Any) -> None:
    def forms(name: str) -> set[str]:
        person, found = seeded.person(name), set()
        for path in details(seeded).values():
            text = person.get(path).text
            found |= {word for word in BUTTONS if f'{word}"' in text}
        return found

    assert forms("reader") == {"/content"}
    assert forms("operator") == {"/pause", "/test", "/replay", "/retry", "/content"}
    assert forms("blind") == {"/pause", "/test", "/replay", "/retry"}
    own = seeded.person("app A").get(f"/console/connections/{seeded.ids['connection A']}").text
    assert '/pause"' in own


def test_whoever_is_not_signed_in_is_sent_to_the_form(seeded: Any) -> None:
    person = seeded.person()
    for path in [*LISTS, *details(seeded).values()]:
        answer = person.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in")
        assert answer.text == ""
    check_page(person.get("/console/sign-in"))


def test_a_key_in_the_header_opens_no_page(seeded: Any) -> None:
    person = seeded.person()
    headers = {"authorization": f"Bearer {seeded.keys['operator']}"}
    answer = person.http.get("/console", headers=headers, follow_redirects=False)
    assert answer.status_code == 303


def test_a_list_goes_on_where_its_page_ended(empty: Any) -> None:
    from tests.hub.entrypoints.console.conftest import add_connection, message

    add_connection(empty, "many")
    for number in range(27):
        message(empty, "many", None, f"N{number:02}")
    person = empty.person("reader")
    first = person.get("/console/messages", ctl="")
    address = re.findall(r'rel="next" href="([^"]+)"', first.text)[0].replace("&amp;", "&")
    second = person.get(address)
    seen = [re.findall(r"<code>(N\d\d)</code>", each.text) for each in (first, second)]
    assert [len(each) for each in seen] == [25, 2]
    assert len({*seen[0], *seen[1]}) == 27
    assert 'rel="next"' not in second.text


@pytest.mark.parametrize(
    "path", ["messages?ctl=%00", "messages?after=%00", "jobs?kind=%00", "trust/audit?principal=%00"]
)
def test_what_cannot_be_stored_is_not_looked_for(hub: Any, path: str) -> None:
    hub.credential("desk")
    answer = hub.person("desk").get(f"/console/{path}")
    assert answer.status_code == 400
    assert "U+0000" in answer.text


def test_an_address_that_is_no_page_is_told_as_one(seeded: Any) -> None:
    person = seeded.person("reader")
    for path in ("nothing", "jobs/", "sign-out"):
        answer = person.get(f"/console/{path}")
        assert (answer.status_code, "no such page" in answer.text) == (404, True)
        check_page(answer)
    home = person.get("/console/")
    assert (home.status_code, home.headers["location"]) == (303, "/console")


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("PUT", "/console", "localhost", 405),
        ("OPTIONS", "/console/jobs", "localhost", 405),
        ("POST", "/console/nothing", "localhost", 405),
        ("GET", "/console", "evil.example", 400),
    ],
)
def test_what_is_no_page_has_the_headers_of_one(
    seeded: Any, method: str, path: str, host: str, status: int
) -> None:
    answer = seeded.person().http.request(method, path, headers={"host": host})
    assert answer.status_code == status
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "content-security-policy" not in seeded.person().http.get("/livez").headers


def test_the_style_sheet_is_the_hubs_own(seeded: Any) -> None:
    answer = seeded.person().get("/console/assets/console.css")
    assert answer.headers["content-type"].startswith("text/css")
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    assert seeded.person().get("/console/assets/sign_in.mako").status_code == 404


def test_what_goes_wrong_inside_is_told_by_an_id_alone(seeded: Any, monkeypatch: Any) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ValueError("Quillfeather")

    person = seeded.person("reader")
    monkeypatch.setattr("hub.entrypoints.console.asking.Desk.ask", broken)
    answer = person.get("/console")
    assert answer.status_code == 500
    assert "Quillfeather" not in answer.text
    check_page(answer)

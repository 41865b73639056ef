"""The grid of MSH-15 and MSH-16 (HL7 v2.5.1 table 0155) as a sender sees it, on both databases:
what is said at the door, and what once the message was processed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.sdk.hl7v2.acks import read_ack
from tests.flows.hl7_desk import UNREADABLE, Desk, adt

pytestmark = pytest.mark.end_to_end

WISHES = ("", "AL", "ER", "NE", "SU")
ORIGINAL, SILENT, FAULTS = ("AA", "AR"), ("", ""), ("", "AR")
DOOR: dict[tuple[str, str], tuple[str, str]] = {
    **{("AL", wish): ("CA", "CR") for wish in WISHES},
    **{("ER", wish): ("", "CR") for wish in WISHES},
    **{("SU", wish): ("CA", "") for wish in WISHES},
    ("", ""): ORIGINAL,
    ("", "AL"): ORIGINAL,
    ("", "ER"): FAULTS,
    ("", "NE"): SILENT,
    ("", "SU"): SILENT,
    ("NE", ""): SILENT,
    ("NE", "AL"): ORIGINAL,
    ("NE", "ER"): FAULTS,
    ("NE", "NE"): SILENT,
    ("NE", "SU"): SILENT,
}
"""At the door: stored, refused."""
AFTERWARDS = {"": SILENT, "NE": SILENT, "AL": ("AA", "AE"), "ER": ("", "AE"), "SU": ("AA", "")}
"""By MSH-16 once processed: applied, an error in the content; where one answer was asked for and
given at the door, none follows."""


def expected(accept: str, application: str, kind: str) -> list[str]:
    stored, refused = DOOR[accept, application]
    if kind == "REFUSED":
        return [refused] if refused else []
    after = SILENT if (stored, application) == ("AA", "AL") else AFTERWARDS[application]
    return [code for code in (stored, after[kind == "BAD"]) if code]


def test_each_cell_of_the_grid_is_heard_as_the_table_says(desk: Callable[..., Desk]) -> None:
    at = desk()
    sender = at.connect()
    cells = [(accept, application) for accept in WISHES for application in WISHES]
    assert set(cells) == set(DOOR)
    wanted: dict[str, list[str]] = {}
    for number, (accept, application) in enumerate(cells):
        for kind, changed in (
            ("GOOD", {}),
            ("BAD", {"body": UNREADABLE}),
            ("REFUSED", {"f9": "ADT^Q99"}),
        ):
            name = f"{kind}{number}"
            wanted[name] = expected(accept, application, kind)
            sender.send(adt(name, accept=accept, application=application, **changed))
    at.work()
    heard: dict[str, list[str]] = {name: [] for name in wanted}
    for _ in range(sum(map(len, wanted.values()))):
        code, name = sender.answer()
        heard[name].append(code)
    assert sender.hears_nothing(1.0)
    assert heard == wanted
    states = at.states()
    kinds = {"GOOD": "processed", "BAD": "quarantined", "REFUSED": "refused"}
    assert states == {name: kinds[name.rstrip("0123456789")] for name in wanted}


UNSTORED = {"AL": "CE", "ER": "CE", "SU": ""}


def test_each_cell_hears_that_nothing_was_stored_or_is_closed(
    desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the sender wants no word of it, the end of the connection is the only honest one; a
    sender that wants to hear of success only hears none."""
    at = desk()

    def no_room(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("hub.services.storing.inbox.insert_all", no_room)
    for accept in WISHES:
        for application in WISHES:
            sender = at.connect()
            sender.send(adt("C1", accept=accept, application=application))
            stored, refused = DOOR[accept, application]
            code = UNSTORED.get(accept, "AE" if refused else "")
            content = sender.receive()
            read = read_ack(content) if content else None
            assert (read[0] if read else "") == code, (accept, application, stored)
            if code:
                sender.send(adt("C2", accept="AL"))
                assert sender.answer() == ("CE", "C2")
            sender.socket.close()
    assert at.states() == {}

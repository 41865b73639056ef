"""Which practice a message is for, where its sender writes that elsewhere than in MSH-4."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from connectors.ehr_hl7v2.config import Config
from connectors.ehr_hl7v2.receiving import Limits, Receiving
from connectors.sdk.hl7v2.framing import Frame
from hub.entrypoints.hl7_judging import Judgement, judge
from hub.entrypoints.hl7_routes import Facility, Hl7Connection, Peer, Routes

Make = Callable[..., bytes]
PEER = Peer("127.0.0.1")
FACILITIES = {"NORTH": Facility("n", "UTC"), "SOUTH": Facility("s", "America/Denver")}


def routes(*places: str, **limits: int) -> Routes:
    receiving = Receiving(facility=places, limits=Limits(**limits))
    return Routes((Hl7Connection("c1", "EHRA", FACILITIES, Config(receiving=receiving)),))


def judged(content: bytes, table: Routes) -> Judgement:
    return judge(Frame(content, "", len(content)), PEER, table)


@pytest.mark.parametrize(
    ("places", "fields", "body"),
    [
        (("MSH-6.1",), {"f6": "SOUTH^1.2.3^ISO"}, ""),
        (("MSH-5.1", "MSH-6.1"), {"f5": "HUB", "f6": "SOUTH"}, ""),
        (("PV1-3.4",), {}, "PV1|1|O|W1^2^^SOUTH&1.2.3&ISO\r"),
        (("PV1-3.4", "MSH-6.1"), {"f6": "SOUTH"}, ""),
        (("PV1-3.4", "MSH-6.1"), {"f6": "SOUTH"}, "PV1|1|O|W1^2^^ELSEWHERE\r"),
        (("PID[2]-3[2].4.1",), {}, "PID|2||1^^^NORTH~2^^^SOUTH\r"),
        (("ZFC-1", "MSH-4.1"), {"f4": "NORTH"}, "ZFC|SOUTH\r"),
    ],
)
def test_the_first_place_with_a_code_of_the_connection_decides(
    message: Make, places: tuple[str, ...], fields: dict[str, str], body: str
) -> None:
    table = routes(*places)
    found = judged(message("C1", body, **fields), table)
    assert found.fault is None
    assert found.arrival.practice_id == "s"
    assert found.arrival.headers["zone"] == "America/Denver"
    assert all(lane.startswith("s|") for lane in found.arrival.lanes)
    # The same header with another content is another practice's.
    other = message("C2", body, **fields).replace(b"SOUTH", b"NORTH")
    assert judged(other, table).arrival.practice_id == "n"


def test_a_code_that_is_nobodys_is_refused_at_its_place_and_audited(message: Make) -> None:
    found = judged(message("C1", "PV1|1|O|W1^2^^EAST\r"), routes("PV1-3.4", "MSH-4.1"))
    assert found.fault is not None
    assert (found.fault.code, found.fault.path, found.fault.answer) == (207, "PV1-3", "AR")
    assert found.arrival.denied
    assert found.arrival.practice_id is None
    assert "EAST" not in found.fault.text


def test_the_limits_hold_before_a_content_is_read_for_its_practice(message: Make) -> None:
    table = routes("PV1-3.4", segments=10)
    found = judged(message("C1", "NTE|1\r" * 20), table)
    assert found.fault is not None
    assert found.fault.text != ""
    assert "10" in found.fault.text
    assert not found.arrival.denied


@pytest.mark.parametrize("places", [(), ("4.1",), ("MSH",), ("pv1-3",)])
def test_what_is_no_place_is_refused_when_it_is_set(places: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        Receiving(facility=places)

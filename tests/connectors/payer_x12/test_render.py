from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from connectors.payer_x12.config import Config
from connectors.payer_x12.render import render
from connectors.sdk import x12
from hub.domain.eligibility import EligibilityQuery
from hub.errors import DataError

CONFIG = Config.model_validate(
    {
        "base_url": "https://edi.payer.example/core",
        "sender_id": "MSOHUB",
        "receiver_id": "CLEARING",
        "receiver_qualifier": "30",
        "trace_company": "9MSOHUB000",
        "provider_organization": "Lakeside Group",
        "username": "hub",
        "password": "env:PAYER_PASSWORD",
    }
)
QUERY = EligibilityQuery(
    payer_id="00220",
    payer_name="Northern Mutual",
    provider_npi="1234567893",
    provider_name="Lake Clinic",
    member_id="NM4410001",
    subscriber_family="Roe",
    subscriber_given="Jane",
    subscriber_birth_date=date(1980, 5, 6),
    service_date=date(2026, 3, 4),
    trace="T17",
    trace_company="",
    control_number=17,
    sent_at=datetime(2026, 3, 2, 10, 15, tzinfo=UTC),
)


def body(query: EligibilityQuery) -> list[str]:
    text = render(query, CONFIG).decode()
    return text.split("~")[2:-3]


def test_a_subscriber_is_asked_with_the_least_that_finds_him() -> None:
    assert body(QUERY) == [
        "ST*270*0001*005010X279A1",
        "BHT*0022*13*T17*20260302*1015",
        "HL*1**20*1",
        "NM1*PR*2*NORTHERN MUTUAL*****PI*00220",
        "HL*2*1*21*1",
        "NM1*1P*2*LAKE CLINIC*****XX*1234567893",
        "HL*3*2*22*0",
        "TRN*1*T17*9MSOHUB000",
        "NM1*IL*1*ROE*JANE****MI*NM4410001",
        "DMG*D8*19800506",
        "DTP*291*D8*20260304",
        "EQ*30",
        "SE*13*0001",
    ]


def test_a_dependent_has_a_level_of_its_own() -> None:
    asked = replace(
        QUERY,
        relationship="child",
        patient_family="Roe",
        patient_given="Max",
        patient_birth_date=date(2015, 9, 9),
        patient_sex="M",
        service_types=("30", "98"),
    )
    assert body(asked)[6:-1] == [
        "HL*3*2*22*1",
        "NM1*IL*1*ROE*JANE****MI*NM4410001",
        "DMG*D8*19800506",
        "HL*4*3*23*0",
        "TRN*1*T17*9MSOHUB000",
        "NM1*03*1*ROE*MAX",
        "DMG*D8*20150909*M",
        "INS*N*19",
        "DTP*291*D8*20260304",
        "EQ*30^98",
    ]


def test_the_envelope_carries_parties_control_and_usage() -> None:
    (interchange,) = x12.interchanges(render(QUERY, CONFIG))
    header = interchange.header
    assert (header.sender_qualifier, header.sender) == ("ZZ", "MSOHUB")
    assert (header.receiver_qualifier, header.receiver) == ("30", "CLEARING")
    assert (header.control, header.usage, header.version) == ("000000017", "P", "00501")
    assert interchange.transactions[0].group.functional_id == "HS"
    assert interchange.transactions[0].version == "005010X279A1"


@pytest.mark.parametrize(
    ("family", "written"),
    [
        ("Roe Jr.", "NM1*IL*1*ROE*JANE***JR*MI*NM4410001"),
        ("ROE, III", "NM1*IL*1*ROE*JANE***III*MI*NM4410001"),
        ("de la  Cruz", "NM1*IL*1*DE LA CRUZ*JANE****MI*NM4410001"),
        ("Sr", "NM1*IL*1*SR*JANE****MI*NM4410001"),
    ],
)
def test_a_suffix_moves_out_of_the_last_name(family: str, written: str) -> None:
    assert written in body(replace(QUERY, subscriber_family=family))


def test_the_organization_stands_in_for_a_missing_provider_name() -> None:
    assert "NM1*1P*2*LAKESIDE GROUP*****XX*1234567893" in body(replace(QUERY, provider_name=""))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"payer_id": ""}, "payer_id"),
        ({"payer_name": ""}, "payer_name"),
        ({"provider_npi": "12345"}, "provider_npi"),
        ({"member_id": "", "subscriber_birth_date": None}, "member_id"),
        ({"member_id": "A*B"}, "member_id"),
        ({"subscriber_family": "R" * 61}, "subscriber_family"),
        ({"subscriber_given": "A:B"}, "subscriber_given"),
        ({"service_date": date(1979, 1, 1)}, "service_date"),
        ({"service_types": ()}, "service_types"),
        ({"trace": ""}, "trace"),
        ({"trace_company": "SHORT"}, "trace_company"),
        ({"relationship": "child"}, "patient_given"),
    ],
)
def test_a_query_that_cannot_be_sent_names_the_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(DataError) as caught:
        render(replace(QUERY, **change), CONFIG)  # type: ignore[arg-type]
    assert (caught.value.reason, caught.value.path) == ("invalid_query", field)

"""Writes the 270 of a query (X12 TR3 005010X279A1): one patient, real time; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from connectors.payer_x12.config import Config
from connectors.sdk import x12
from hub.domain.eligibility import EligibilityQuery
from hub.errors import DataError

VERSION = "005010X279A1"

# CAQH CORE 258: suffixes that senders put into the last name, after a blank, comma or slash.
_SUFFIX = re.compile(r"^(?P<name>.+?)[\s,/]+(?P<suffix>JR|SR|II|III|IV)\.?$")

# INS02 of the 270's dependent loop: spouse, child, other adult.
_RELATIONSHIPS = {"spouse": "01", "child": "19", "other": "34"}
_SEXES = {"F", "M"}


@dataclass(frozen=True, slots=True)
class _Person:
    family: str
    given: str
    birth_date: date | None
    sex: str


def render(query: EligibilityQuery, config: Config) -> bytes:
    """The interchange to send.

    TRN02 and BHT03 are the query's trace, ISA13 and GS06 its control number. Times are written in
    the zone of `sent_at`. Raises DataError naming the field of the query and the element at fault.
    """
    _check(query, config)
    dependent = query.relationship != "self"
    sent = query.sent_at
    segments: list[x12.SegmentDraft] = [
        ("BHT", "0022", "13", query.trace, f"{sent:%Y%m%d}", f"{sent:%H%M}"),
        ("HL", "1", "", "20", "1"),
        ("NM1", "PR", "2", query.payer_name.upper(), "", "", "", "", "PI", query.payer_id),
        ("HL", "2", "1", "21", "1"),
        ("NM1", "1P", "2", _provider(query, config), "", "", "", "", "XX", query.provider_npi),
        ("HL", "3", "2", "22", "1" if dependent else "0"),
    ]
    subscriber = _Person(
        query.subscriber_family,
        query.subscriber_given,
        query.subscriber_birth_date,
        "" if dependent else query.patient_sex,
    )
    trace = ("TRN", "1", query.trace, trace_company(query, config))
    if dependent:
        segments += _name("IL", subscriber, query.member_id)
        segments += [("HL", "4", "3", "23", "0"), trace]
        patient = _Person(
            query.patient_family, query.patient_given, query.patient_birth_date, query.patient_sex
        )
        segments += _name("03", patient, "")
        segments.append(("INS", "N", _RELATIONSHIPS.get(query.relationship, "34")))
    else:
        segments += [trace, *_name("IL", subscriber, query.member_id)]
    segments.append(("DTP", "291", "D8", f"{query.service_date:%Y%m%d}"))
    segments.append(("EQ", list(query.service_types)))
    return x12.write(_envelope(query, config), [x12.Draft("270", "0001", segments, VERSION)])


def trace_company(query: EligibilityQuery, config: Config) -> str:
    """TRN03 of this request."""
    return query.trace_company or config.trace_company


def _envelope(query: EligibilityQuery, config: Config) -> x12.Envelope:
    return x12.Envelope(
        sender_qualifier=config.sender_qualifier,
        sender=config.sender_id,
        receiver_qualifier=config.receiver_qualifier,
        receiver=config.receiver_id,
        control=query.control_number,
        group_control=query.control_number,
        functional_id="HS",
        version=VERSION,
        sent_at=query.sent_at,
        usage=config.usage,
    )


def _provider(query: EligibilityQuery, config: Config) -> str:
    return (query.provider_name or config.provider_organization).upper()


def _name(role: str, person: _Person, member_id: str) -> list[x12.SegmentDraft]:
    """NM1 and DMG: only what the search needs; a suffix in the last name moves to NM107."""
    family, given = " ".join(person.family.upper().split()), " ".join(person.given.upper().split())
    found = _SUFFIX.match(family)
    suffix = found["suffix"] if found else ""
    family = found["name"] if found else family
    qualifier = "MI" if member_id else ""
    segments: list[x12.SegmentDraft] = [
        ("NM1", role, "1", family, given, "", "", suffix, qualifier, member_id)
    ]
    if person.birth_date:
        sex = person.sex if person.sex in _SEXES else ""
        segments.append(("DMG", "D8", f"{person.birth_date:%Y%m%d}", sex))
    return segments


def _check(query: EligibilityQuery, config: Config) -> None:
    dependent = query.relationship != "self"
    by_name = bool(query.subscriber_family and query.subscriber_birth_date)
    _need(bool(query.payer_id), "payer_id", "2100A NM1-09", "The payer's id is missing.")
    _need(bool(query.payer_name), "payer_name", "2100A NM1-03", "The payer's name is missing.")
    _need(
        re.fullmatch(r"[0-9]{10}", query.provider_npi) is not None,
        "provider_npi",
        "2100B NM1-09",
        "An NPI has ten digits.",
    )
    _need(
        bool(_provider(query, config)),
        "provider_name",
        "2100B NM1-03",
        "The provider's name is missing.",
    )
    _need(
        bool(query.member_id) or by_name,
        "member_id",
        "2100C NM1-09",
        "Send the member id, or the last name and birth date.",
    )
    _need(
        not dependent or bool(query.patient_given and query.patient_birth_date),
        "patient_given",
        "2100D NM1-04",
        "A dependent needs the first name and birth date.",
    )
    birth_date = query.patient_birth_date if dependent else query.subscriber_birth_date
    _need(
        birth_date is None or birth_date <= query.service_date,
        "service_date",
        "DTP-03",
        "The service date lies before the birth date.",
    )
    _need(bool(query.service_types), "service_types", "2110 EQ-01", "A service type is missing.")
    _need(0 < len(query.trace) <= 50, "trace", "TRN-02", "The trace has 1 to 50 characters.")
    _need(
        len(trace_company(query, config)) == 10,
        "trace_company",
        "TRN-03",
        "The trace company has 10 characters.",
    )
    _check_lengths(query, config)


def _check_lengths(query: EligibilityQuery, config: Config) -> None:
    for field, element, value, longest in (
        ("payer_name", "2100A NM1-03", query.payer_name, 60),
        ("payer_id", "2100A NM1-09", query.payer_id, 80),
        ("provider_name", "2100B NM1-03", _provider(query, config), 60),
        ("subscriber_family", "2100C NM1-03", query.subscriber_family, 60),
        ("subscriber_given", "2100C NM1-04", query.subscriber_given, 35),
        ("member_id", "2100C NM1-09", query.member_id, 80),
        ("patient_family", "2100D NM1-03", query.patient_family, 60),
        ("patient_given", "2100D NM1-04", query.patient_given, 35),
    ):
        _need(len(value) <= longest, field, element, f"At most {longest} characters fit.")
        separators = set(value) & set("*~:^")
        _need(not separators, field, element, "The value holds a character X12 uses as separator.")


def _need(holds: bool, field: str, element: str, text: str) -> None:
    if not holds:
        raise DataError(f"{text} ({element})", reason="invalid_query", path=field)

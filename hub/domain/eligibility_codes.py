"""The 55 AAA03 codes of the 271 (X12 TR3 005010X279A1) with what is wrong and what to do.

The wording is ours; CAQH CORE 259 asks that each condition be told apart and its element named.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Klass = Literal["payer_down", "routing", "patient_match", "dates", "service", "unknown"]
Home = Literal["payer", "provider", "person", "service"]


@dataclass(frozen=True, slots=True)
class RejectCode:
    """One AAA03 code: what is wrong, what to do, and the element of the 270 it speaks of.

    `home` is the loop the element lives in: payer 2100A, provider 2100B, person 2100C or D, service
    2110C or D; an empty `element` means that nothing in the request is at fault.
    """

    klass: Klass
    home: Home
    element: str
    meaning: str
    remedy: str


_Row = tuple[Home, str, str, str]

# fmt: off
_PAYER_DOWN: dict[str, _Row] = {
    "42": ("payer", "", "The payer's system cannot answer now.",
           "Nothing to correct; the check is repeated."),
    "80": ("payer", "", "The payer's system did not answer the clearinghouse.",
           "Nothing to correct; the check is repeated."),
}
_ROUTING: dict[str, _Row] = {
    "04": ("payer", "", "More requests were sent at once than the payer allows.",
           "Lower the connection's rate or agree a higher one."),
    "41": ("provider", "NM1-09", "The sender may not use this payer's eligibility service.",
           "Complete the payer's agreement for this provider."),
    "43": ("provider", "NM1-09", "The provider's identifier is missing or not valid.",
           "Check the NPI sent to this payer."),
    "44": ("provider", "NM1-03", "The provider's name is missing or not valid.",
           "Send the name under which the provider is enrolled."),
    "45": ("provider", "PRV-03", "The provider's specialty is missing or not valid.",
           "Correct the taxonomy code on file."),
    "46": ("provider", "PER-04", "The provider's telephone number is missing or not valid.",
           "Correct the number on file."),
    "47": ("provider", "N4-02", "The provider's state is missing or not valid.",
           "Correct the provider's address."),
    "48": ("provider", "REF-02", "The referring provider's id is missing or not valid.",
           "Correct the referring provider's number."),
    "50": ("provider", "NM1-09", "The provider may not ask this payer about members.",
           "Register the provider for eligibility inquiries."),
    "51": ("provider", "NM1-09", "The payer does not know the provider.",
           "Enroll the provider or correct the NPI."),
    "79": ("payer", "NM1-09", "The participant identifier is not valid.",
           "Check the payer id and the receiver of this connection."),
    "97": ("provider", "N3-01", "The provider's address is missing or not valid.",
           "Correct the provider's address."),
    "T4": ("payer", "NM1-09", "The payer's name or identifier is missing.",
           "Complete the payer's directory entry."),
}
_PATIENT_MATCH: dict[str, _Row] = {
    "15": ("person", "NM1", "Data the payer's search needs is missing.",
           "Send another combination of member id, name and birth date."),
    "58": ("person", "DMG-02", "The birth date is missing or not valid.",
           "Check the birth date."),
    "64": ("person", "NM1-09", "The patient's identifier is missing or not valid.",
           "Check the patient's number on the card."),
    "65": ("person", "NM1-03", "The patient's name is missing or not valid.",
           "Spell the name as on the card."),
    "66": ("person", "DMG-03", "The patient's gender is missing or not valid.",
           "Check the gender the payer has on file."),
    "67": ("person", "NM1-09", "The payer does not find the patient.",
           "Check the id, name and birth date against the card."),
    "68": ("person", "NM1-09", "Several patients have this identifier.",
           "Add the name and birth date."),
    "71": ("person", "DMG-02", "The birth date differs from the payer's record.",
           "Check the birth date with the patient."),
    "72": ("person", "NM1-09", "The subscriber's member id is missing or not valid.",
           "Type the member id as on the card, prefix included."),
    "73": ("person", "NM1-03", "The subscriber's name is missing or not valid.",
           "Spell the subscriber's name as on the card."),
    "74": ("person", "DMG-03", "The subscriber's gender is missing or not valid.",
           "Check the gender the payer has on file."),
    "75": ("person", "NM1-09", "The payer does not find the subscriber.",
           "Check the member id, name and birth date, and that this is the right payer."),
    "76": ("person", "NM1-09", "Several subscribers have this member id.",
           "Add the name and birth date."),
    "77": ("person", "NM1-03", "The payer finds the subscriber but not this patient.",
           "Check the patient's name, birth date and relationship."),
    "78": ("person", "REF-02", "The subscriber is not in the group or plan named.",
           "Check the group number and ask for the current card."),
}
_DATES: dict[str, _Row] = {
    "52": ("person", "DTP-03", "The service date lies outside the provider's enrollment.",
           "Check the visit date; enrollment may have to be renewed."),
    "56": ("person", "DTP-03", "The date is not one the payer accepts.",
           "Send the date of the visit."),
    "57": ("person", "DTP-03", "The service date is missing or not valid.",
           "Check the visit date."),
    "60": ("person", "DMG-02", "The birth date lies after the service date.",
           "Check the birth date and the visit date."),
    "61": ("person", "DTP-03", "The payer has a date of death before the service date.",
           "Check that the right person was asked about."),
    "62": ("person", "DTP-03", "The service date lies outside the window the payer answers for.",
           "Ask again with a date inside the window."),
    "63": ("person", "DTP-03", "The payer does not answer for future dates.",
           "Ask again on or after the visit date."),
}
_SERVICE: dict[str, _Row] = {
    "33": ("service", "EQ", "The request's data does not fit together.",
           "Check service type, procedure and diagnosis."),
    "35": ("service", "EQ-01", "The provider is out of the plan's network for this service.",
           "Check the network or use another provider."),
    "49": ("service", "EQ-01", "The provider is not the primary care physician on record.",
           "Ask the member to change the PCP or get a referral."),
    "53": ("service", "EQ-01", "The service does not fit the type of provider.",
           "Check the service type asked for."),
    "54": ("service", "EQ-02", "The code qualifier of the service is missing or not valid.",
           "Check the procedure's code system."),
    "55": ("service", "EQ-02", "The service identifier is missing or not valid.",
           "Check the procedure or service type code."),
    "69": ("service", "EQ-02", "The service does not fit the patient's age.",
           "Check the code and the birth date."),
    "70": ("service", "EQ-02", "The service does not fit the patient's gender.",
           "Check the code and the gender."),
    "98": ("service", "EQ-02", "The plan holds the service to be experimental.",
           "Ask the payer before the visit."),
    "AA": ("service", "REF-02", "The payer does not find the authorization number.",
           "Check the authorization number."),
    "AE": ("service", "REF-02", "The service needs an authorization by the primary care physician.",
           "Obtain the PCP's authorization."),
    "AF": ("service", "III-02", "The diagnosis code is missing or not valid.",
           "Check the diagnosis code."),
    "AG": ("service", "EQ-02", "The procedure code is missing or not valid.",
           "Check the procedure code."),
    "AO": ("service", "III", "Details of the patient's condition are missing.",
           "Send the condition information the payer asks for."),
    "CI": ("service", "REF-02", "The certification on file differs from the request.",
           "Compare the certification with the request."),
    "E8": ("service", "EQ-02", "The service needs medical review.",
           "Send it to the payer's review first."),
    "IA": ("service", "REF-02", "The authorization number has the wrong format.",
           "Retype the authorization number."),
    "MA": ("service", "REF-02", "The authorization number is missing.",
           "Add the authorization number."),
}
# fmt: on


def _rows(klass: Klass, rows: dict[str, _Row]) -> dict[str, RejectCode]:
    return {code: RejectCode(klass, *row) for code, row in rows.items()}


CODES: dict[str, RejectCode] = {
    **_rows("payer_down", _PAYER_DOWN),
    **_rows("routing", _ROUTING),
    **_rows("patient_match", _PATIENT_MATCH),
    **_rows("dates", _DATES),
    **_rows("service", _SERVICE),
}

WHO_ACTS: dict[Klass, str] = {
    "payer_down": "nobody",
    "routing": "enrollment",
    "patient_match": "front desk",
    "dates": "scheduler",
    "service": "billing",
    "unknown": "billing",
}

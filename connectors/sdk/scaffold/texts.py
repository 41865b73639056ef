"""What a new connector's page says, by its kind and by what opens the vendor's door."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_STREAM = "The stream `{}`. Nothing is written at the vendor."
_ASKED = (
    "The stream asks from its cursor less two minutes, inclusively, up to the start of the run. A\n"
    "429 parks it until the vendor's `Retry-After`."
)

BY_KIND: Final[Mapping[str, Mapping[str, str]]] = {
    "payroll": {
        "streams": "payroll_runs",
        "event": "payroll_run.changed",
        "summary": "payroll_runs over REST",
        "syncs": _STREAM.format("payroll_runs"),
        "prerequisites": "An account at the vendor with access to its API.",
        "fields": "`id` is the record's key and `updated_at` moves the cursor. `company`, `period`,"
        "\n`check_date`, `state`, `gross`, `net` and `cost` become a `PayrollRun`.",
        "limits": _ASKED,
        "gaps": "The vendor lists no deletions, so none are noticed.",
        "code": "`unknown_value` | a state the map lacks: add it in `parse.py` with a fixture",
    },
    "supply": {
        "streams": "offers",
        "event": "offer.changed",
        "summary": "offers over REST",
        "syncs": _STREAM.format("offers"),
        "prerequisites": "An account at the vendor with access to its API.",
        "fields": "`id` is the record's key and `updated_at` moves the cursor. `gtin`, `name`,"
        " `category`,\n`pack_units`, `pack_code` and `price` become an `Offer`.",
        "limits": _ASKED,
        "gaps": "The vendor lists no deletions, so none are noticed. No orders are placed.",
        "code": "`gtin_check_digit` | the vendor's GTIN is wrong: ask the vendor",
    },
    "payer": {
        "streams": "eligibility",
        "event": "",
        "summary": "eligibility over JSON",
        "syncs": "Nothing by itself: each eligibility check asks about one member and one service"
        " date.",
        "prerequisites": "Enrollment of the practice's NPI at the payer, and access to its API.",
        "fields": "`status`, `plan`, `covered_from`, `covered_to`, `benefits` and `rejects` become"
        " an\n`EligibilityResult`; `rejects` are codes of AAA03.",
        "limits": "One question at a time. A 429 parks it until the payer's `Retry-After`.",
        "gaps": "Benefits of other kinds than copay, coinsurance and deductible are left out, with"
        " an issue.",
        "code": "`unknown_value` | a word the maps lack: add it in `parse.py` with a fixture",
    },
    "ehr": {
        "streams": "patients",
        "event": "patient.changed",
        "summary": "patients, as the EHR sends them by webhook",
        "syncs": "Patients, as they change. Nothing is written at the EHR.",
        "prerequisites": "An EHR that posts signed JSON events; one that sends HL7 v2 is connected"
        " by\n`ehr_hl7v2`, without a connector of its own.",
        "fields": "`id` is the record's key, `number` the medical record number. `family`,"
        " `given`,\n`birth_date`, `sex`, `phone` and `email` become a `Patient`.",
        "limits": "Events are taken as they come, up to 256 KiB each.",
        "gaps": "Visits, appointments and results are not read.",
        "code": "`unknown_value` | a sex the map lacks: add it in `parse.py` with a fixture",
    },
}
BY_AUTH: Final[Mapping[str, Mapping[str, str]]] = {
    "api_key": {
        "door": "an API key",
        "credentials": "An API key from the vendor's console, given as a reference: `env:NAME` or"
        "\n`file:PATH`.",
    },
    "oauth2": {
        "door": "OAuth 2.0 client credentials",
        "credentials": "OAuth 2.0 client credentials (RFC 6749 §4.4); the secret is given as a"
        " reference:\n`env:NAME` or `file:PATH`.",
    },
    "signed": {
        "door": "a signature",
        "credentials": "The secret that the EHR signs its events with, given as a reference:"
        " `env:NAME` or\n`file:PATH`.",
    },
}

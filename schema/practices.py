"""Practices and the people who provide care in them."""

from __future__ import annotations

from hub.domain.agreements import DataClass
from hub.domain.practitioners import ProviderStatus
from hub.storage import tables
from hub.storage.reads.parts import Access
from schema.mapping.declare import EQ, PREFIX, col, enum, many, one, stored
from schema.sourced import source

OPERATIONAL = DataClass.OPERATIONAL

practice = stored(
    "Practice",
    table=tables.Practice,
    root="practices",
    order="name",
    help="A separate legal entity, the owner of its records.",
    fields={
        "name": col(OPERATIONAL),
        "npi": col(OPERATIONAL),
        "careModel": col(OPERATIONAL),
        "specialties": col(OPERATIONAL),
        "zone": col(OPERATIONAL, help="IANA time zone."),
        "phone": col(OPERATIONAL),
        "line1": col(OPERATIONAL),
        "city": col(OPERATIONAL),
        "state": col(OPERATIONAL),
        "postalCode": col(OPERATIONAL),
        "createdAt": col(OPERATIONAL),
    },
    links={
        "providers": many("Provider", "practice_id"),
        "patients": many("Patient", "practice_id"),
        "encounters": many("Encounter", "practice_id"),
        "appointments": many("Appointment", "practice_id"),
        "observations": many("Observation", "practice_id"),
        "clinicalOrders": many("ClinicalOrder", "practice_id"),
        "clinicalDocuments": many("ClinicalDocument", "practice_id"),
        "immunizations": many("Immunization", "practice_id"),
        "diagnoses": many("Diagnosis", "practice_id"),
        "procedures": many("Procedure", "practice_id"),
        "coverages": many("Coverage", "practice_id"),
        "eligibilityChecks": many("EligibilityCheck", "practice_id"),
        "charges": many("Charge", "practice_id"),
        "workers": many("Worker", "practice_id"),
        "payPeriods": many("PayPeriod", "practice_id"),
        "payrollRuns": many("PayrollRun", "practice_id"),
        "requisitions": many("Requisition", "practice_id"),
        "purchaseOrders": many("PurchaseOrder", "practice_id"),
    },
    filters={"name": PREFIX, "npi": EQ},
    orders={"name": ("name",)},
)

service_agreement = stored(
    "ServiceAgreement",
    table=tables.ServiceAgreement,
    access=Access.OPERATED,
    root="serviceAgreements",
    help="What a practice lets the MSO see of a domain, from `startsOn` until before `endsOn` in "
    "days of the practice.",
    fields={
        "domain": col(OPERATIONAL),
        "granularity": col(
            OPERATIONAL,
            help="NONE, AGGREGATE (figures under the small-group rule), LIMITED (rows without "
            "direct identifiers) or ROW.",
        ),
        "purposes": col(OPERATIONAL),
        "startsOn": col(OPERATIONAL),
        "endsOn": col(OPERATIONAL, help="Null: open."),
        "dataAggregation": col(
            OPERATIONAL,
            help="Its data may be in figures across practices (45 CFR 164.504(e)(2)(i)(B)).",
        ),
        "delegatesPurchaseApproval": col(OPERATIONAL),
        "sensitiveRecords": col(
            OPERATIONAL, help="Records with a sensitivity label too (42 CFR Part 2)."
        ),
        "retentionDaysAfterEnd": col(OPERATIONAL),
    },
    links={"practice": one("Practice", "practice_id")},
    filters={"practice": EQ, "domain": EQ},
)

provider = stored(
    "Provider",
    table=tables.Provider,
    root="providers",
    order="name",
    help="A person who provides care at the practice.",
    facets=source(OPERATIONAL, identifier=False),
    fields={
        "npi": col(OPERATIONAL, help="National Provider Identifier."),
        "familyName": col(OPERATIONAL),
        "givenName": col(OPERATIONAL),
        "status": enum(
            OPERATIONAL,
            "ProviderStatus",
            ProviderStatus,
            help="Inactive and deleted providers are kept, since records name them.",
        ),
        "role": col(OPERATIONAL),
        "specialties": col(OPERATIONAL),
        "phone": col(OPERATIONAL),
        "email": col(OPERATIONAL),
        "startsOn": col(OPERATIONAL),
        "endsOn": col(OPERATIONAL),
    },
    links={
        "practice": one("Practice", "practice_id"),
        "appointments": many("Appointment", "provider_id", order="startsAt"),
    },
    filters={"practice": EQ, "npi": EQ, "familyName": PREFIX, "status": EQ},
    orders={"name": ("family_name", "given_name")},
)

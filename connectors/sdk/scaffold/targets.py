"""The hub's records that rows of a sample may become, with the names vendors give their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from hub.domain.patients import Sex
from hub.domain.payroll import PayrollRunStatus
from hub.domain.workforce import EmploymentStatus


@dataclass(frozen=True, slots=True)
class Slot:
    """A field of a record: what it takes, and what vendors call it, the most telling name first.

    `word` names the type of the hub's words and `default` is written where nothing fits.
    """

    name: str
    takes: Literal["text", "day", "whole", "exact", "word"]
    names: tuple[str, ...]
    default: str = '""'
    needed: bool = False
    word: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A record and how it is made: `made` is the expression, with a slot's name in braces."""

    record: str
    module: str
    stream: str
    slots: tuple[Slot, ...]
    made: str
    imports: tuple[tuple[str, str], ...] = ()
    pii: tuple[str, ...] = ()


_DAY = "date(1900, 1, 1)"
_NOTHING = 'Decimal("0.00")'
_ENTITY = Slot(
    "entity", "text", ("companyid", "company", "entity", "employer", "client", "entityid")
)
_WORKER = Slot("worker", "text", ("workerid", "employeeid", "worker", "employee", "personid"),
               needed=True)  # fmt: skip
_STARTS = Slot("starts_on", "day", ("startdate", "start", "hiredate", "validfrom", "effective",
                                    "periodstart", "from"), "None")  # fmt: skip
_ENDS = Slot("ends_on", "day", ("enddate", "end", "terminationdate", "validuntil", "expires",
                                "periodend", "to"), "None")  # fmt: skip


def _lines(record: str, *fields: str) -> str:
    """``Record(`` and one field to a line; a field is a slot, or ``field=expression``."""
    body = "".join(
        f"        {field if '=' in field else f'{field}={{{field}}}'},\n" for field in fields
    )
    return f"{record}(\n{body}    )"


PAYROLL: Final = (
    Target(
        "Worker", "hub.domain.workforce", "workers",
        (
            _ENTITY,
            Slot("employee_number", "text", ("employeenumber", "number", "employeecode")),
            Slot("family_name", "text", ("familyname", "lastname", "surname", "namelast",
                                         "namefamily", "last", "family"), needed=True),
            Slot("given_name", "text", ("givenname", "firstname", "namefirst", "namegiven",
                                        "first", "given"), needed=True),
            Slot("preferred_name", "text", ("preferredname", "preferred", "nickname")),
            Slot("email", "text", ("email", "emailaddress", "workemail")),
            Slot("npi", "text", ("npi",)),
        ),
        _lines("Worker", "entity", "employee_number", "family_name", "given_name",
               "preferred_name", "email", "npi"),
        pii=("family_name", "given_name", "preferred_name", "email", "npi", "tax_id_last4"),
    ),
    Target(
        "Employment", "hub.domain.workforce", "employments",
        (
            _ENTITY, _WORKER,
            Slot("status", "word", ("employmentstatus", "status", "state"), '"unknown"',
                 needed=True, word="EmploymentStatus", words=get_args(EmploymentStatus)),
            Slot("title", "text", ("jobtitle", "title", "position")),
            Slot("department", "text", ("department", "departmentname", "costcenter")),
            _STARTS, _ENDS,
        ),
        _lines("Employment", "entity", "worker_external_id={worker}", "status",
               "status_text={status_raw}", "title", "department", "starts_on", "ends_on"),
        (("hub.domain.workforce", "EmploymentStatus"),),
        pii=("compensation",),
    ),
    Target(
        "PayPeriod", "hub.domain.payroll", "pay_periods",
        (
            _ENTITY,
            Slot("starts_on", "day", _STARTS.names, _DAY, needed=True),
            Slot("ends_on", "day", _ENDS.names, _DAY, needed=True),
            Slot("check_date", "day", ("checkdate", "paydate", "payday"), _DAY, needed=True),
            Slot("frequency", "text", ("frequency", "payfrequency")),
        ),
        _lines("PayPeriod", "entity", "starts_on", "ends_on", "check_date", "frequency"),
    ),
    Target(
        "PayrollRun", "hub.domain.payroll", "payroll_runs",
        (
            _ENTITY,
            Slot("status", "word", ("payrollstatus", "status", "state"), '"unknown"', needed=True,
                 word="PayrollRunStatus", words=get_args(PayrollRunStatus)),
            Slot("check_date", "day", ("checkdate", "paydate", "payday"), _DAY, needed=True),
            Slot("period", "text", ("payperiodid", "periodid", "payperiod", "period")),
            Slot("gross", "exact", ("grosspay", "gross", "totalgross", "totalsgross"), _NOTHING,
                 needed=True),
            Slot("net", "exact", ("netpay", "net", "totalnet", "totalsnet"), _NOTHING, needed=True),
            Slot("cost", "exact", ("employercost", "cost", "companydebit", "totalcost"), _NOTHING),
        ),
        _lines("PayrollRun", "entity", 'kind="regular"', "status", "check_date",
               "pay_period_external_id={period}", "gross", "net", "employer_cost={cost}"),
        (("hub.domain.payroll", "PayrollRunStatus"),),
    ),
)  # fmt: skip
SUPPLY: Final = (
    Target(
        "Offer", "hub.domain.supply", "offers",
        (
            Slot("gtin", "text", ("gtin", "gtin14", "upc", "ean", "barcode"), needed=True),
            Slot("item", "text", ("name", "productname", "title", "description", "itemname"),
                 '"?"', needed=True),
            Slot("category", "text", ("category", "productcategory", "group")),
            Slot("maker", "text", ("manufacturer", "manufacturername", "maker", "brand")),
            Slot("units", "whole", ("unitsperpack", "packunits", "packsize", "packquantity",
                                    "quantityperpack"), "1", needed=True),
            Slot("unit", "text", ("unitofmeasure", "uom", "packcode", "packunit", "unit"), '"EA"'),
            Slot("price", "exact", ("unitprice", "price", "listprice", "contractprice", "cost"),
                 _NOTHING, needed=True),
            _STARTS, _ENDS,
        ),
        _lines("Offer", "item=Item(gtin14({gtin}), {item}, {category}, {maker},"
               " gtin_valid=is_gtin({gtin}))", "vendor_part=row.id", "pack_units={units}",
               "pack_unit_code={unit}", "tiers=(PriceTier(0, {price}),)", "starts_on", "ends_on"),
        (("hub.domain.supply", "Item"), ("hub.domain.supply", "PriceTier"),
         ("hub.domain.gs1", "gtin14"), ("hub.domain.gs1", "is_gtin")),
    ),
)  # fmt: skip
EHR: Final = (
    Target(
        "Patient", "hub.domain.patients", "patients",
        (
            Slot("number", "text", ("mrn", "medicalrecordnumber", "chartnumber", "patientnumber",
                                    "recordnumber", "number"), "row.id", needed=True),
            Slot("family", "text", ("familyname", "lastname", "surname", "namelast",
                                    "namefamily", "last", "family"), needed=True),
            Slot("given", "text", ("givenname", "firstname", "namefirst", "namegiven", "first",
                                   "given")),
            Slot("birth_date", "day", ("birthdate", "dateofbirth", "dob", "birthday"), "None"),
            Slot("sex", "word", ("sex", "gender", "administrativesex"), "None", word="Sex",
                 words=get_args(Sex)),
            Slot("phone", "text", ("phone", "phonenumber", "mobile", "homephone"), "None"),
            Slot("email", "text", ("email", "emailaddress"), "None"),
        ),
        _lines("Patient", 'identifiers=(Identifier(authority, "MR", {number}),)',
               "name=PersonName({family}, {given})", "birth_date", "sex", "phone", "email"),
        (("hub.domain.patients", "Identifier"), ("hub.domain.patients", "PersonName"),
         ("hub.domain.patients", "Sex")),
    ),
)  # fmt: skip
TARGETS: Final[Mapping[str, tuple[Target, ...]]] = {
    "payroll": PAYROLL,
    "supply": SUPPLY,
    "ehr": EHR,
}
USUAL_WORDS: Final[Mapping[str, str]] = {
    "f": "female", "m": "male", "o": "other", "x": "other", "u": "unknown", "working": "active",
    "separated": "terminated", "on_leave": "leave", "voided": "cancelled", "completed": "paid",
    "pending": "submitted", "processing": "processed",
}  # fmt: skip
"""Vendors' words and what they usually mean, where a record's type has that word."""

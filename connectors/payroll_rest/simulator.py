"""Wagewright as it answers: companies, OAuth 2.0 tokens that wear out, cursor pages, changes.

Every person is invented. The same seed, day, companies and plan give the same bytes. A test or a
demo injects later changes with ``POST /_control/change``
(``{"resource", "set": {…}, "entity"?, "id"?, "at"?}``); without `at` the change is stamped a minute
after the latest row. Faults: `connectors.sdk.simulator`; status 410 is an expired page token.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sdk.simulator import DemoConnection, FaultPlan, simulator_app

CLIENT_ID: Final = "mso-hub-demo"
CLIENT_SECRET: Final = "wagewright-demo-secret"  # noqa: S105 - opens nothing but this simulator
RESOURCES: Final = ("workers", "employments", "pay-periods", "payrolls", "pay-statements")
_CENT: Final = Decimal("0.01")
_CENTRAL: Final = timezone(timedelta(hours=-6))


@dataclass(frozen=True, slots=True)
class Entity:
    """A company at the vendor: one practice's payroll."""

    id: str
    name: str


Row = dict[str, Any]


@dataclass
class _Vendor:
    """The vendor's data: rows by (company, resource), each with its `at`; and its tokens."""

    entities: Sequence[Entity]
    token_uses: int
    rows: dict[tuple[str, str], list[tuple[datetime, Row]]] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)

    def page(self, key: tuple[str, str], query: dict[str, Any], limit: int) -> dict[str, Any]:
        """Rows with since <= updated_at <= until, ordered by (updated_at, id), after the token."""
        since, until = query["since"], query["until"]
        listed = sorted(self.rows[key], key=lambda item: (item[0], item[1]["id"]))
        wanted = [
            (at, row)
            for at, row in listed
            if (not since or at >= _time(since)) and (not until or at <= _time(until))
        ]
        if query["after"]:
            at, id = query["after"]
            wanted = [item for item in wanted if (item[0], item[1]["id"]) > (_time(at), id)]
        page, more = wanted[:limit], len(wanted) > limit
        token = None
        if more:
            after = [page[-1][0].isoformat(), page[-1][1]["id"]]
            token = base64.urlsafe_b64encode(json.dumps({**query, "after": after}).encode())
        return {
            "data": [row for _, row in page],
            "next_cursor": token.decode() if token else None,
        }

    def change(self, order: dict[str, Any]) -> Row:
        """Set fields of one row, stamp it anew and raise its version."""
        key = (order.get("entity", self.entities[0].id), order["resource"])
        rows = self.rows[key]
        place = next(n for n, (_, row) in enumerate(rows) if order.get("id") in (None, row["id"]))
        latest = max(at for listed in self.rows.values() for at, _ in listed)
        at = _time(order["at"]) if "at" in order else latest + timedelta(minutes=1)
        row = rows[place][1]
        new = {**row, **order["set"], "updated_at": _stamp(at), "version": row["version"] + 1}
        rows[place] = (at, new)
        return new


def build(
    *,
    seed: int,
    today: date,
    entities: Sequence[Entity],
    plan: FaultPlan | None = None,
    token_uses: int = 200,
) -> Starlette:
    """The vendor as an app. Rows are stamped before midnight (UTC) at the start of `today`; a token
    answers `token_uses` requests, then 401."""
    vendor = _Vendor(entities, token_uses)
    for entity in entities:
        _fill(vendor, entity, random.Random(f"{seed}:{entity.id}"), today)
    return simulator_app(_routes(vendor), plan or FaultPlan())


def demo_app(*, seed: int, today: date) -> Starlette:
    """Three companies, one for each practice of the demo."""
    names = ("Harbor Family Medicine", "Northside Pediatrics", "Lakeview Orthopedics")
    entities = [Entity(f"cmp_{name.split()[0].lower()}", name) for name in names]
    return build(seed=seed, today=today, entities=entities)


def demo_connection(url: str) -> DemoConnection:
    """Pages of five rows, so that even the few people of a demo fill more than one."""
    return DemoConnection(
        {"base_url": url, "client_id": CLIENT_ID, "page_size": 5},
        {"client_secret": CLIENT_SECRET},
    )


def _routes(vendor: _Vendor) -> list[Route]:
    async def token(request: Request) -> Response:
        given = f"{CLIENT_ID}:{CLIENT_SECRET}".encode()
        wanted = "Basic " + base64.b64encode(given).decode()
        form = parse_qs((await request.body()).decode())
        if request.headers.get("authorization") != wanted:
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        if form.get("grant_type") != ["client_credentials"]:
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)
        name = f"tok_{len(vendor.tokens) + 1}"
        vendor.tokens[name] = vendor.token_uses
        return JSONResponse({"access_token": name, "token_type": "bearer", "expires_in": 900})

    def refused(request: Request) -> Response | None:
        name = request.headers.get("authorization", "").removeprefix("Bearer ")
        if vendor.tokens.get(name, 0) < 1:
            return JSONResponse({"error": "invalid_token"}, status_code=401)
        vendor.tokens[name] -= 1
        return None

    async def companies(request: Request) -> Response:
        rows = [{"id": entity.id, "legal_name": entity.name} for entity in vendor.entities]
        return refused(request) or JSONResponse({"data": rows, "next_cursor": None})

    async def listing(request: Request) -> Response:
        if answer := refused(request):
            return answer
        key = (request.path_params["entity"], request.path_params["resource"])
        if key not in vendor.rows:
            return JSONResponse({"error": "unknown_resource"}, status_code=404)
        asked = request.query_params
        query = {
            "since": asked.get("updated_since"),
            "until": asked.get("updated_until"),
            "after": None,
        }
        if "cursor" in asked:
            query = json.loads(base64.urlsafe_b64decode(asked["cursor"]))
        return JSONResponse(vendor.page(key, query, min(int(asked.get("limit", "50")), 200)))

    async def change(request: Request) -> Response:
        row = vendor.change(await request.json())
        return JSONResponse({"id": row["id"], "updated_at": row["updated_at"]})

    return [
        Route("/oauth/token", token, methods=["POST"]),
        Route("/v1/companies", companies),
        Route("/v1/companies/{entity}/{resource}", listing),
        Route("/_control/change", change, methods=["POST"]),
    ]


# given name, family name, title, department, pay rate, unit, status, engagement, schedule
_STAFF: Final = (
    ("Amara", "Fairweather", "Physician", "Clinic", "118.50", "HOUR", "WORKING", "W2", "FT"),
    ("Bruno", "Castellan", "Physician assistant", "Clinic", "64.25", "HOUR", "WORKING", "W2", "FT"),
    ("Celia", "Okonjo-Reed", "Registered nurse", "Clinic", "43.10", "HOUR", "WORKING", "W2", "PT"),
    ("Dmitri", "Vale", "Medical assistant", "Clinic", "23.75", "HOUR", "ON_LEAVE", "W2", "FT"),
    ("Esther", "Lindqvist", "Office manager", "Front desk", "78000", "YEAR", "WORKING", "W2", "FT"),
    ("Farid", "Montrose", "Billing specialist", "Billing", "27.40", "HOUR", "WORKING", "W2", "FT"),
    ("Greta", "Halloran", "Receptionist", "Front desk", "19.85", "HOUR", "SEPARATED", "W2", "PT"),
    ("Hideo", "Brandt", "Locum physician", "Clinic", "1450.00", "DAY", "WORKING", "1099", "PRN"),
)


def _fill(vendor: _Vendor, entity: Entity, rng: random.Random, today: date) -> None:
    for resource in RESOURCES:
        vendor.rows[entity.id, resource] = []
    ids = [f"{rng.getrandbits(32):08x}" for _ in _STAFF]
    for number, (id, person) in enumerate(zip(ids, _STAFF, strict=True)):
        at = _at(today - timedelta(days=60 - number // 2 * 3), 14)  # in pairs: equal stamps
        _add(vendor, entity, "workers", at, _worker(rng, id, number, person))
        hired = today - timedelta(days=rng.randrange(200, 3000))
        row = _employment(id, person, hired, today)
        _add(vendor, entity, "employments", at + timedelta(minutes=20), row)
    monday = today - timedelta(days=today.weekday())
    for back in range(4, 0, -1):
        _period(vendor, entity, rng, monday - timedelta(days=14 * back), today, ids)


def _worker(rng: random.Random, id: str, number: int, person: Sequence[str]) -> Row:
    given, family, title = person[:3]
    clinical = title in {"Physician", "Physician assistant", "Registered nurse", "Locum physician"}
    return {
        "id": f"wrk_{id}",
        "employee_number": f"{1001 + number}",
        "name": {"first": given, "last": family, "preferred": None},
        "email": f"{given}.{family}@staff.example".lower(),
        "npi": f"19{rng.randrange(10**8):08d}" if clinical else None,
        "tax_identifier": f"XXX-XX-{rng.randrange(10**4):04d}",
    }


def _employment(id: str, person: Sequence[str], hired: date, today: date) -> Row:
    _, _, title, department, rate, unit, status, engagement, schedule = person
    ended = today - timedelta(days=40) if status == "SEPARATED" else None
    return {
        "id": f"emp_{id}",
        "worker_id": f"wrk_{id}",
        "status": status,
        "engagement": engagement,
        "schedule": schedule,
        "title": title,
        "department": department,
        "start_date": hired.isoformat(),
        "end_date": ended.isoformat() if ended else None,
        "pay": {"rate": rate, "unit": unit, "currency": "USD", "effective": hired.isoformat()},
    }


def _period(
    vendor: _Vendor, entity: Entity, rng: random.Random, start: date, today: date, ids: list[str]
) -> None:
    """A period of two weeks, its payroll and the statements of all who were paid in it."""
    end, check = start + timedelta(days=13), start + timedelta(days=18)
    mark = f"{rng.getrandbits(32):08x}"
    period = {
        "id": f"per_{mark}",
        "start": start.isoformat(),
        "end": end.isoformat(),
        "check_date": check.isoformat(),
        "frequency": "BIWEEKLY",
    }
    _add(vendor, entity, "pay-periods", _at(start, 6), period)
    closed = min(_at(check - timedelta(days=1), 17), _at(today - timedelta(days=1), 17))
    statements = [
        _statement(rng, f"run_{mark}", id, person)
        for id, person in zip(ids, _STAFF, strict=True)
        if person[7] == "W2" and not (person[6] == "SEPARATED" and end > today - timedelta(days=40))
    ]
    for statement in statements:  # committed together: all of a run share one stamp
        _add(vendor, entity, "pay-statements", closed, statement)
    run = {
        "id": f"run_{mark}",
        "period_id": f"per_{mark}",
        "type": "REGULAR",
        "state": "PAID" if check < today else "FUNDED",
        "check_date": f"{check.isoformat()}T00:00:00Z",
        "currency": "USD",
        "totals": _totals(statements),
    }
    _add(vendor, entity, "payrolls", closed.astimezone(_CENTRAL), run)  # the vendor mixes zones


def _statement(rng: random.Random, run: str, id: str, person: Sequence[str]) -> Row:
    """Earnings as decimal strings, taxes as minor units; the sums are exact to the cent."""
    rate, unit = Decimal(person[4]), person[5]
    hours = Decimal(rng.randrange(120, 321)) / 4
    earned = _cents(rate * hours if unit == "HOUR" else rate / 26)
    lines: list[Row] = [_line("EARNING", "REG", earned, hours if unit == "HOUR" else None)]
    gross = earned
    if unit == "HOUR" and rng.random() < 0.4:
        extra = Decimal(rng.randrange(1, 17)) / 4
        overtime = _cents(rate * extra * Decimal("1.5"))
        lines.append(_line("EARNING", "OT", overtime, extra))
        gross += overtime
    pension = _cents(gross * Decimal("0.04"))
    lines.append(_line("DEDUCTION", "401K", pension) | {"pre_tax": True})
    taxes = {
        "FIT": _cents((gross - pension) * Decimal("0.118")),
        "OASDI": _cents(gross * Decimal("0.062")),
        "MEDICARE": _cents(gross * Decimal("0.0145")),
    }
    lines += [_minor("TAX_EMPLOYEE", code, tax) for code, tax in taxes.items()]
    lines += [_minor("TAX_EMPLOYER", code, taxes[code]) for code in ("OASDI", "MEDICARE")]
    lines.append(_minor("CONTRIBUTION", "401K", _cents(pension / 2)))
    mileage = Decimal(rng.randrange(0, 9000)) / 100 if rng.random() < 0.25 else Decimal(0)
    if mileage:
        lines.append(_line("REIMBURSEMENT", "MILEAGE", mileage))
    net = gross - pension - sum(taxes.values(), Decimal(0)) + mileage
    return {
        "id": f"stm_{rng.getrandbits(32):08x}",
        "payroll_id": run,
        "worker_id": f"wrk_{id}",
        "currency": "USD",
        "gross": f"{gross:.2f}",
        "net": f"{net:.2f}",
        "lines": lines,
    }


def _totals(statements: Sequence[Row]) -> Row:
    """In minor units. The employer's cost is gross pay, its own taxes and its contributions."""
    own = sum(
        line["amount_cents"]
        for statement in statements
        for line in statement["lines"]
        if line["category"] in {"TAX_EMPLOYER", "CONTRIBUTION"}
    )
    gross = sum(int(Decimal(statement["gross"]) * 100) for statement in statements)
    net = sum(int(Decimal(statement["net"]) * 100) for statement in statements)
    return {"gross_cents": gross, "net_cents": net, "employer_cost_cents": gross + own}


def _line(category: str, code: str, amount: Decimal, hours: Decimal | None = None) -> Row:
    line: Row = {"category": category, "code": code, "amount": f"{amount:.2f}"}
    return line if hours is None else line | {"hours": f"{hours:.2f}"}


def _minor(category: str, code: str, amount: Decimal) -> Row:
    return {"category": category, "code": code, "amount_cents": int(amount * 100)}


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)


def _add(vendor: _Vendor, entity: Entity, resource: str, at: datetime, row: Row) -> None:
    written = _stamp(at) if at.tzinfo is UTC else at.isoformat()
    stamped = {**row, "updated_at": written, "version": 1}
    vendor.rows[entity.id, resource].append((at, stamped))


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=UTC)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)

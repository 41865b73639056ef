"""What the simulated payers know and say: text templates of their own, apart from our X12 writer.

Plans and amounts follow from seed, payer and member id, so the same question gets the same answer.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SimulatedPayer:
    """One payer and its dialect: separators (element, repetition, component, segment)."""

    id: str
    name: str
    plan: str
    insurance_type: str
    separators: str = "*^:~"
    line_end: str = ""


PAYERS: Final = (
    SimulatedPayer("60101", "LAKESHORE HEALTH PLAN", "LAKESHORE GOLD 1500", "HM"),
    SimulatedPayer("00220", "NORTHERN MUTUAL", "MUTUAL CHOICE", "PR", "*::~", "\r\n"),
    SimulatedPayer("SKPRM", "PRAIRIE STATE MEDICAID", "PRAIRIE CARE", "MC", "*^:\n"),
    SimulatedPayer("77003", "BLUE HARBOR INSURANCE", "HARBOR PPO 500", "PS", "|^>~", "\n"),
)
PAYER_DOWN: Final = "99503"
"""The id of a payer that always answers HTTP 503."""


def payers() -> tuple[tuple[str, str], ...]:
    """(id, name) of every payer, the one that is down last."""
    return (*((payer.id, payer.name) for payer in PAYERS), (PAYER_DOWN, "GRANITE TRUST INSURANCE"))


def member_id(outcome: str, number: int = 1) -> str:
    """A member id that makes the payer answer with `outcome`.

    active, inactive, payer_down (AAA 42), html, cut, slow, wrong_trace, refused_999, refused_ta1,
    soap_fault, corrected, or an AAA03 code such as ``75`` or ``AG``.
    """
    prefix = _PREFIXES.get(outcome) or f"REJ{outcome}"
    return f"{prefix}{number:06d}"


_PREFIXES = {
    "active": "ACT",
    "inactive": "INA",
    "payer_down": "SIMAAA42",
    "html": "HTML",
    "cut": "CUT",
    "slow": "SLOW",
    "wrong_trace": "TRACE",
    "refused_999": "BAD999",
    "refused_ta1": "BADTA1",
    "soap_fault": "FAULT",
    "corrected": "CORR",
}

# Where each reject stands; others in 2100C, or 2100D for a dependent.
_PROVIDER_CODES = {"41", "43", "44", "45", "46", "47", "48", "50", "51", "97"}
_PAYER_CODES = {"04", "42", "79", "80", "T4"}
_SERVICE_CODES = {
    "33",
    "53",
    "54",
    "55",
    "69",
    "70",
    "98",
    "AA",
    "AE",
    "AF",
    "AG",
    "AO",
    "CI",
    "E8",
}
_SERVICE_CODES |= {"IA", "MA"}


@dataclass(frozen=True, slots=True)
class Question:
    """What the simulator needs of a 270; `day` (ISA09, YYMMDD) is also the day of the answer."""

    sender: str
    receiver: str
    day: str
    control: str
    reference: str
    payer_id: str
    provider: tuple[str, str]
    trace: tuple[str, str]
    subscriber: tuple[str, str]
    member: str
    birth_date: str
    dependent: tuple[str, str] | None
    service_date: str


def read_question(text: str) -> Question | None:
    """Pick the fields out of a 270 by plain splitting; None if it is none."""
    if not text.startswith("ISA") or len(text) < 106:
        return None
    rows = [line.strip().split(text[3]) for line in text.split(text[105])]
    by_id: dict[str, list[list[str]]] = {}
    for row in rows:
        by_id.setdefault(row[0], []).append([*row, *[""] * 12])
    names = {row[1]: row for row in by_id.get("NM1", [])}
    if not {"ST", "BHT", "TRN"} <= set(by_id) or not {"PR", "1P", "IL"} <= set(names):
        return None
    child, trace = names.get("03"), by_id["TRN"][0]
    return Question(
        sender=rows[0][6].strip(),
        receiver=rows[0][8].strip(),
        day=rows[0][9],
        control=rows[0][13],
        reference=by_id["BHT"][0][3],
        payer_id=names["PR"][9],
        provider=(names["1P"][3], names["1P"][9]),
        trace=(trace[2], trace[3]),
        subscriber=(names["IL"][3], names["IL"][4]),
        member=names["IL"][9],
        birth_date=by_id["DMG"][0][2] if "DMG" in by_id else "19800101",
        dependent=(child[3], child[4]) if child else None,
        service_date=by_id["DTP"][0][3] if "DTP" in by_id else "20260101",
    )


class Book:
    """The payers' members: what is answered about whom."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def answer(self, asked: Question) -> str:
        payer = next((payer for payer in PAYERS if payer.id == asked.payer_id), None)
        if payer is None:
            unknown = SimulatedPayer(asked.payer_id, "UNKNOWN", "", "")
            return _interchange(unknown, asked, "271", _refused(unknown, asked, "T4"))
        member = asked.member
        if member.startswith("BADTA1"):
            return _ta1(payer, asked)
        if member.startswith("BAD999"):
            return _interchange(payer, asked, "999", _999(asked))
        code = re.match(r"(?:REJ|SIMAAA)(\w\w)", member)
        if code:
            return _interchange(payer, asked, "271", _refused(payer, asked, code[1]))
        if member.startswith("INA"):
            body = ["EB*6**30"]
        elif member.startswith(("ACT", "SLOW", "CUT", "TRACE", "CORR")):
            body = self._benefits(payer, asked)
        else:
            return _interchange(payer, asked, "271", _refused(payer, asked, "75"))
        return _interchange(payer, asked, "271", [*_head(payer, asked), *_person(asked), *body])

    def _benefits(self, payer: SimulatedPayer, asked: Question) -> list[str]:
        digest = hashlib.sha256(f"{self.seed}:{payer.id}:{asked.member}".encode()).digest()
        total = 500 * (1 + digest[0] % 6)
        used = total * (digest[1] % 5) // 4
        copay = 10 + 5 * (digest[2] % 6)
        return [
            f"DTP*346*D8*{asked.service_date[:4]}0101",
            f"EB*1*IND*30*{payer.insurance_type}*{payer.plan}",
            "EB*1**1^33^35^47^86^88^98^AL^MH^UC",
            f"EB*C*IND*30***23*{total}.00*****Y",
            f"EB*C*IND*30***29*{total - used}.00*****Y",
            f"EB*C*IND*30***23*{total * 2}.00*****N",
            f"EB*C*FAM*30***23*{total * 3}.00*****Y",
            f"EB*G*IND*30***23*{total * 4}.00*****Y",
            f"EB*G*IND*30***24*{used}.00*****Y",
            f"EB*B*IND*98***27*{copay}*****Y",
            "MSG*PRIMARY CARE PHYSICIAN",
            f"EB*B*IND*98***27*{copay + 20}*****Y",
            "MSG*SPECIALIST",
            "EB*A*IND*30***23**.2****Y",
            "EB*A*IND*30***23**.4****N",
            "EB*F*IND*UC***27***VS*12**Y",
            "III*ZZ*22",
            "EB*U**35",
            "LS*2120",
            "NM1*VN*2*HARBOR DENTAL ADMINISTRATORS",
            "LE*2120",
        ]


def _head(payer: SimulatedPayer, asked: Question) -> list[str]:
    name, npi = asked.provider
    return [
        f"BHT*0022*11*{asked.reference}*20{asked.day}*0915",
        "HL*1**20*1",
        f"NM1*PR*2*{payer.name}*****PI*{payer.id}",
        "HL*2*1*21*1",
        f"NM1*1P*2*{name}*****XX*{npi}",
    ]


def _person(asked: Question) -> list[str]:
    number, company = asked.trace
    if asked.member.startswith("TRACE"):
        number = "X" + number[1:]
    trace = f"TRN*2*{number}*{company}"
    family, given = asked.subscriber
    subscriber = f"NM1*IL*1*{family}*{given}****MI*{asked.member}"
    child = asked.dependent
    corrected = ["INS*Y*18*001*25"] if asked.member.startswith("CORR") else []
    if child is None:
        return ["HL*3*2*22*0", trace, subscriber, f"DMG*D8*{asked.birth_date}", *corrected]
    lines = ["HL*3*2*22*1", subscriber, "HL*4*3*23*0", trace]
    return [*lines, f"NM1*03*1*{child[0]}*{child[1]}", "INS*N*19"]


def _refused(payer: SimulatedPayer, asked: Question, code: str) -> list[str]:
    action = "R" if code in {"42", "80"} else "C"
    refusal = f"AAA*N**{code}*{action}"
    head = _head(payer, asked)
    if code in _PAYER_CODES:
        return [*head[:3], refusal]
    if code in _PROVIDER_CODES:
        return [*head, refusal]
    person = _person(asked)
    if code in _SERVICE_CODES:
        return [*head, *person, "EB*V**30", refusal]
    return [*head, *person, refusal]


def _999(asked: Question) -> list[str]:
    return [
        f"AK1*HS*{int(asked.control)}*005010X279A1",
        "AK2*270*0001*005010X279A1",
        "IK3*NM1*9*2100*8",
        "IK4*9*67*1",
        "IK5*R*5",
        "AK9*R*1*1*0",
    ]


def _ta1(payer: SimulatedPayer, asked: Question) -> str:
    lines = [f"TA1*{asked.control}*{asked.day}*0915*R*006", "IEA*0*000000077"]
    return _dressed(payer, [_isa(asked), *lines])


def _isa(asked: Question) -> str:
    return (
        f"ISA*00*          *00*          *ZZ*{asked.receiver:15}*ZZ*{asked.sender:15}"
        f"*{asked.day}*0915*^*00501*000000077*0*T*:"
    )


def _interchange(payer: SimulatedPayer, asked: Question, kind: str, body: list[str]) -> str:
    version, group = ("005010X231A1", "FA") if kind == "999" else ("005010X279A1", "HB")
    lines = [
        _isa(asked),
        f"GS*{group}*{asked.receiver}*{asked.sender}*20{asked.day}*0915*77*X*{version}",
        f"ST*{kind}*0001*{version}",
        *body,
        f"SE*{len(body) + 2}*0001",
        "GE*1*77",
        "IEA*1*000000077",
    ]
    return _dressed(payer, lines)


def _dressed(payer: SimulatedPayer, lines: list[str]) -> str:
    """The lines with the payer's separators and line ends."""
    table = str.maketrans("*^:~", payer.separators)
    return "".join((line + "~").translate(table) + payer.line_end for line in lines)

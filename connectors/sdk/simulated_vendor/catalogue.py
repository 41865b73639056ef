"""About sixty medical supplies and what the two simulated vendors ask for them.

Most items are sold by both vendors under one GTIN, in different packs and at different tiers. The
upper tiers begin at multiples of what one practice uses in a month (`Supply.monthly_units`), so a
dozen practices together reach prices that none reaches alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from hub.domain.gs1 import check_digit

_CENT = Decimal("0.01")
_BREAKS = (Decimal("2.5"), Decimal(6), Decimal(10))  # times a practice's monthly packs
_DISCOUNTS = (Decimal("0.96"), Decimal("0.92"), Decimal("0.87"))


_CLASSES = {"gloves": "42132200", "syringes": "42142600", "needles": "42142500"}


@dataclass(frozen=True, slots=True)
class Supply:
    """One product: `unit_price` is the usual price of a base unit, packs are base units.

    A vendor that does not sell it has 0 as its pack.
    """

    gtin: str
    name: str
    category: str
    manufacturer: str
    part: str
    unit_price: Decimal
    first_pack: int
    second_pack: int
    monthly_units: int

    @property
    def unspsc(self) -> str:
        """The class of its category in the UNSPSC, empty where there is none that fits all."""
        return _CLASSES.get(self.category, "")


@dataclass(frozen=True, slots=True)
class VendorOffer:
    """An offer as the vendor's own system holds it; `tiers` are (from packs, price per pack)."""

    supply: Supply
    vendor_part: str
    pack_units: int
    pack_code: str
    tiers: tuple[tuple[int, Decimal], ...]
    starts_on: date
    updated_at: datetime
    active: bool = True


# name | category | maker | unit price | pack at the first vendor | at the second | monthly units
_ROWS = """
Nitrile exam gloves, small|gloves|Halden|0.062|100|1000|1500
Nitrile exam gloves, medium|gloves|Halden|0.062|100|1000|3000
Nitrile exam gloves, large|gloves|Halden|0.062|100|1000|3000
Nitrile exam gloves, extra large|gloves|Halden|0.065|100|900|900
Vinyl exam gloves, medium|gloves|Corvane|0.038|100|1000|1000
Sterile surgical gloves, size 7|gloves|Halden|0.92|50|200|100
Sterile surgical gloves, size 7.5|gloves|Halden|0.92|50|200|100
Procedure mask with ear loops|masks|Corvane|0.085|50|500|500
Surgical mask with ties|masks|Corvane|0.11|50|300|150
N95 respirator|masks|Tessmark|0.74|20|160|80
Face shield, full length|masks|Tessmark|1.15|24|96|24
Syringe 1 mL with needle 25G|syringes|Orlin|0.19|100|800|400
Syringe 3 mL luer lock|syringes|Orlin|0.11|100|800|600
Syringe 5 mL luer lock|syringes|Orlin|0.14|100|500|300
Syringe 10 mL luer lock|syringes|Orlin|0.18|100|400|300
Insulin syringe 0.5 mL 31G|syringes|Orlin|0.21|100|500|200
Hypodermic needle 22G 1.5 in|needles|Orlin|0.075|100|1000|400
Hypodermic needle 25G 1 in|needles|Orlin|0.075|100|1000|500
Blood collection needle 21G|needles|Veradon|0.32|48|480|192
Winged blood collection set 23G|needles|Veradon|1.18|50|200|100
Safety lancet 28G|needles|Veradon|0.12|200|2000|400
Gauze sponge 2 x 2 in, non-sterile|wound care|Marlowe|0.014|200|5000|2000
Gauze sponge 4 x 4 in, non-sterile|wound care|Marlowe|0.029|200|4000|2000
Gauze sponge 4 x 4 in, sterile|wound care|Marlowe|0.095|50|600|300
Conforming bandage 3 in|wound care|Marlowe|0.41|12|96|48
Elastic bandage 4 in|wound care|Marlowe|1.05|10|50|30
Adhesive bandage 1 x 3 in|wound care|Marlowe|0.034|100|2400|800
Non-adherent dressing 3 x 4 in|wound care|Marlowe|0.17|100|600|200
Transparent film dressing 2.4 x 2.8 in|wound care|Tessmark|0.46|100|400|100
Wound closure strip 0.25 x 3 in|wound care|Tessmark|0.68|50|200|50
Paper surgical tape 1 in|wound care|Tessmark|0.72|12|120|24
Alcohol prep pad, medium|antiseptics|Corvane|0.017|200|4000|2000
Povidone-iodine swabstick|antiseptics|Corvane|0.28|50|500|100
Chlorhexidine prep applicator 3 mL|antiseptics|Corvane|1.62|25|100|50
Hand sanitizer gel 8 oz|antiseptics|Corvane|2.35|24|48|12
Surface disinfectant wipes, canister of 160|antiseptics|Corvane|6.9|12|24|12
Sharps container 1 quart|sharps containers|Veradon|2.6|1|20|6
Sharps container 5 quart|sharps containers|Veradon|4.4|1|20|6
Sharps container 2 gallon|sharps containers|Veradon|7.8|1|10|4
Exam table paper 21 in x 225 ft, smooth|paper|Pellam|2.95|12|36|24
Exam table paper 21 in x 125 ft, crepe|paper|Pellam|2.35|12|36|12
Patient gown, disposable|paper|Pellam|0.58|50|100|100
Drape sheet 40 x 48 in|paper|Pellam|0.31|100|200|100
Pillowcase, disposable|paper|Pellam|0.29|100|200|50
Multistix urine test strip|diagnostics|Lumena|0.52|100|200|100
Blood glucose test strip|diagnostics|Lumena|0.42|50|600|150
Rapid strep A test|diagnostics|Lumena|2.2|25|100|50
Rapid influenza A and B test|diagnostics|Lumena|8.4|25|50|25
Urine pregnancy test|diagnostics|Lumena|0.88|25|100|25
Fecal occult blood test card|diagnostics|Lumena|1.4|100|50|50
Specimen cup 4 oz, sterile|laboratory|Veradon|0.29|100|400|200
EDTA blood tube 4 mL|laboratory|Veradon|0.27|100|1000|300
Serum separator tube 5 mL|laboratory|Veradon|0.34|100|1000|300
Tourniquet, latex free|laboratory|Veradon|0.13|250|1000|250
Tongue depressor, sterile|instruments|Pellam|0.042|100|1000|200
Cotton-tipped applicator 6 in, sterile|instruments|Pellam|0.06|200|2000|400
Disposable speculum, medium|instruments|Halden|1.25|25|100|25
Suture kit, disposable|instruments|Halden|7.6|10|20|10
Otoscope specula 4 mm|instruments|Halden|0.055|850|1700|850
Thermometer probe cover|instruments|Lumena|0.045|500|7500|1000
ECG electrode, resting|instruments|Lumena|0.075|500|0|500
Ultrasound gel 250 mL|instruments|Lumena|2.1|12|0|12
Digital thermometer|instruments|Lumena|6.2|0|12|2
Underpad 23 x 36 in|paper|Pellam|0.24|0|150|150
"""


def _supplies() -> tuple[Supply, ...]:
    found = []
    for number, row in enumerate(_ROWS.strip().splitlines(), start=1):
        name, category, maker, price, first, second, monthly = row.split("|")
        stem = f"00614141{number * 7:05d}"
        found.append(
            Supply(
                gtin=stem + str(check_digit(stem)),
                name=name,
                category=category,
                manufacturer=maker,
                part=f"{maker[:3].upper()}-{1000 + number}",
                unit_price=Decimal(price),
                first_pack=int(first),
                second_pack=int(second),
                monthly_units=int(monthly),
            )
        )
    return tuple(found)


SUPPLIES = _supplies()


def offers(*, second: bool, prefix: str, seed: int, today: date) -> dict[str, VendorOffer]:
    """The offers of the first or `second` vendor by vendor part; same seed and day, same offers."""
    chance = random.Random(f"{prefix}:{seed}")  # noqa: S311 - repeatable, nothing secret
    morning = datetime.combine(today, time(6), UTC)
    found = {}
    for number, supply in enumerate(SUPPLIES, start=1):
        factor = Decimal(chance.randint(930, 1070)) / 1000  # drawn for every item, sold or not
        days = chance.randint(1, 12)
        units = supply.second_pack if second else supply.first_pack
        if not units:
            continue
        part = f"{prefix}{10000 + number * 3}"
        found[part] = VendorOffer(
            supply=supply,
            vendor_part=part,
            pack_units=units,
            pack_code="EA" if units == 1 else "CA" if second else "BX",
            tiers=_tiers(supply, units, factor),
            starts_on=today - timedelta(days=30),
            updated_at=morning - timedelta(days=days),
        )
    return found


def _tiers(supply: Supply, units: int, factor: Decimal) -> tuple[tuple[int, Decimal], ...]:
    bulk = Decimal("0.96") if units >= 10 * 50 else Decimal(1)  # cases are cheaper by the unit
    base = supply.unit_price * units * factor * bulk
    monthly = Decimal(supply.monthly_units) / units
    tiers = {1: base.quantize(_CENT, ROUND_HALF_UP)}
    for times, discount in zip(_BREAKS, _DISCOUNTS, strict=True):
        from_packs = max(2, int(-(-monthly * times // 1)))
        tiers[from_packs] = (base * discount).quantize(_CENT, ROUND_HALF_UP)
    return tuple(sorted(tiers.items()))

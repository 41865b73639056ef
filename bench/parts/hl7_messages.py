"""The messages that benches send, of people made up here: an admission (ADT^A01) of 14 segments and
2.1 KB, and a visit (ADT^A04) of 1 KB, of the few segments that make a patient and one of notes.
"""

from __future__ import annotations

MSH = "MSH|^~\\&|EHR|FAC1|HUB|TO1|20260302091500-0600||{}|BENCH00001|P|2.5.1||||||UNICODE UTF-8"
PID = (
    "PID|1||00481516^^^FAC1^MR~900-55-0101^^^USA^SS||Okonkwo^Ada^M^^Dr.||19790412|F|||12 Prospect "
    "Drive^Unit 4^Evanston^IL^60201^USA^H||^PRN^PH^^1^847^5550142|||M||||||||||||||N"
)
PV1 = (
    "PV1|1|I|SURG^02^A^FAC1^^N^NORTH^2|R||CLINIC^1^^FAC1|1234567893^Reyes^Ana^^^Dr.^^^NPI^L^^^NPI|"
    "1000000004^Stone^Ray^^^Dr.^^^NPI^L^^^NPI~1000000012^Hale^Iris^^^Dr.^^^NPI|10000020^Park^Lee|"
    "SUR||||7|A0||1234567893^Reyes^Ana^^^Dr.^^^NPI^L^^^NPI|IP|VN-20931^^^FAC1|PPO||||||||||||||||"
    "01|||FAC1||||||20260302090000-0600"
)
NK1 = (
    "NK1|{0}|Okonkwo^Chidi^B^^Mr.|SPO^Spouse^HL70063|12 Prospect Drive^Unit 4^Evanston^IL^60201^USA"
    "^H|^PRN^PH^^1^847^5550143|^WPN^PH^^1^847^5550199|N^Next of kin^HL70131"
)
IN1 = (
    "IN1|{0}|CHOICE^Choice PPO^99|0073{0}^^^NAIC|Great Lakes Mutual|Box 9^^Chicago^IL^60601^USA|"
    "Member services|^WPN^PH^^1^800^5550111|G-4410|Lakeside Works|||20260101|20261231||PPO|"
    "Okonkwo^Ada^M|SEL^Self^HL70063|19790412|12 Prospect Drive^Unit 4^Evanston^IL^60201|Y||{0}|||"
    "|||||||||||GLM0098213||||||||F"
)
GT1 = (
    "GT1|1|G-1^^^FAC1|Okonkwo^Ada^M||12 Prospect Drive^Unit 4^Evanston^IL^60201^USA|^PRN^PH^^1^847^"
    "5550142|^WPN^PH^^1^847^5550190|19790412|F|P|SEL^Self^HL70063"
)
ADT = "\r".join(
    [
        MSH.format("ADT^A01^ADT_A01"),
        "EVN|A01|20260302091400-0600||01|REYESA^Reyes^Ana|20260302091000-0600",
        PID,
        "PD1|||NORTH CLINIC^^10^^^^XX^^^FAC1|1234567893^Reyes^Ana^^^Dr.^^^NPI||||N|||||20250101",
        NK1.format(1),
        NK1.format(2),
        PV1,
        "AL1|1|DA^Drug allergy^HL70127|7980^Penicillin G^RXN|MO^Moderate^HL70128|Hives|20120501",
        "AL1|2|FA^Food allergy^HL70127|PNUT^Peanut^L|SV^Severe^HL70128|Swelling~Wheezing|19990101",
        "DG1|1|I10|I10^Essential (primary) hypertension^I10|Hypertension|20260302|A|||||||||1",
        GT1,
        IN1.format(1),
        IN1.format(2),
        "ZPD|en|portal^active|20250101|Y|N|prefers^sms",
        "",
    ]
).encode()


def admission(number: int, patient: int, visit: int | None = None) -> bytes:
    """The message under its own control id, of its own patient and, unless told, visit."""
    content = ADT.replace(b"BENCH00001", b"B%09d" % number).replace(b"00481516", b"%08d" % patient)
    return content.replace(b"VN-20931", b"VN-%06d" % (patient if visit is None else visit))


def move(number: int, patient: int, visit: int) -> bytes:
    """A transfer (ADT^A02) two hours after the admission."""
    content = admission(number, patient, visit)
    for said, instead in (
        (b"ADT^A01^ADT_A01", b"ADT^A02^ADT_A02"),
        (b"EVN|A01|20260302091400-0600", b"EVN|A02|20260302111400-0600"),
        (b"|20260302091000-0600\r", b"\r"),
        (b"SURG^02^A^FAC1^^N^NORTH^2|R||CLINIC^1^^FAC1|", b"ICU^4^B^FAC1|R||SURG^02^A^FAC1|"),
    ):
        assert said in content
        content = content.replace(said, instead)
    return content


_PADDING = "|".join(f"note {number} of the visit" for number in range(40))
_VISIT = "\r".join(
    [
        "MSH|^~\\&|EHR|FAC1|HUB|TO1|20260302091500-0600||ADT^A04^ADT_A01|BENCH00001|P|2.5.1",
        "EVN|A04|20260302091400-0600",
        "PID|1||MRNBENCH^^^FAC1^MR||Benchson^Ada||19790412|F|||12 Prospect Dr^^Evanston^IL^60201",
        "PV1|1|O",
        f"ZZZ|{_PADDING}",
        "",
    ]
).encode()


def visit(number: int, patient: int) -> bytes:
    """The message under its own control id, of its own patient."""
    numbered = _VISIT.replace(b"BENCH00001", b"B%09d" % number)
    return numbered.replace(b"MRNBENCH", b"M%07d" % patient)


MESSAGES = {"admission": admission, "visit": visit}

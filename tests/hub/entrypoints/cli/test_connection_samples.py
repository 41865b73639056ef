"""`connection check --samples`: what a feed holds and what would become of it, without values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.sdk.hl7v2 import conformance
from connectors.sdk.hl7v2.conformance import Finding
from hub.entrypoints.onboarding.apart import Conformance

NAME = "Quillfeather"
HEAD = "MSH|^~\\&|{sender}|{facility}|HUB|MSO|20260302150000||{type}|{id}|{mode}|2.5.1\r"
BODY = f"EVN||20260302150000\rPID|1||4711^^^EHR^MR~4712^^^EHR^MR||{NAME}^Cora||19700101|{{sex}}\r"


def message(id: str, **changes: str) -> str:
    values = {
        "sender": "EHRA", "facility": "NORTH", "type": "ADT^A04^ADT_A01", "mode": "P", "sex": "F",
    }  # fmt: skip
    return (HEAD + BODY + "PV1|1|O\rZPD|1|x\r").format(id=id, **(values | changes))


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Three files: two good messages and one with a code in no table; a batch; nonsense."""
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "one.hl7").write_text(message("C1") + message("C2", sex="W"), newline="")
    (folder / "more.txt").write_text(
        f"BHS|^~\\&\r{message('C3', type='PPR^PC1')}{message('C4', facility='EAST')}BTS|2\r",
        newline="",
    )
    (folder / "odd.dat").write_text(NAME)
    (folder / "notes.pdf").write_text("not looked at")
    return folder


def checked(desk: Any, name: str, samples: Path, code: int = 1) -> Any:
    ended = desk.run("connection", "check", name, "--samples", str(samples), "--json")
    assert ended.code == code, ended.err
    assert NAME not in ended.out
    assert "471" not in ended.out
    return json.loads(ended.out)


def test_a_report_tells_what_a_feed_holds_and_what_would_be_refused(
    desk: Any, samples: Path
) -> None:
    report = checked(desk, "EHR A", samples)
    assert (report["files"], report["messages"]) == (3, 5)
    assert report["types"] == {"ADT^A04": 3, "PPR^PC1": 1, "(none)": 1}
    assert report["versions"] == {"2.5.1": 4}
    assert report["facilities"] == [
        {"facility": "NORTH", "messages": 3, "routed": True},
        {"facility": "EAST", "messages": 1, "routed": False},
    ]
    assert report["z_segments"] == {"ZPD": 4}
    assert report["answers"] == {"AA": 2, "AR": 2, "AE": 1}
    assert {(r["answer"], r["code"], r["path"]) for r in report["refused"]} == {
        ("AR", "200", "MSH-9.1"),
        ("AR", "207", "MSH-4"),
        ("AE", "100", "MSH"),
    }
    fields = {row["path"]: row for row in report["fields"]}
    assert fields["PID-3"] == {
        "path": "PID-3", "messages": 4, "times": 4, "longest": 27, "repetitions": 2,
    }  # fmt: skip
    assert fields["MSH-9"]["longest"] == len("ADT^A04^ADT_A01")
    assert {"path": "PID-8", "code": "W", "times": 1} in report["unmapped_codes"]
    found = report["conformance"]["findings"]
    assert {"code": "not_in_table", "path": "PID-8", "messages": 1} in found


def test_a_batch_whose_count_does_not_hold_is_told_of_as_it_would_be_refused(
    desk: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "batches"
    folder.mkdir()
    batch = f"BHS|^~\\&\r{message('C1')}{message('C2')}BTS|3\r"
    (folder / "day.hl7").write_text(batch, newline="")
    report = checked(desk, "EHR A", folder)
    assert report["answers"] == {"AE": 2}
    assert [(r["code"], r["path"], r["messages"]) for r in report["refused"]] == [
        ("207", "BTS-1", 2)
    ]


def test_a_settings_file_is_enough_and_no_database_is_opened(run: Any, tmp_path: Path) -> None:
    settings = tmp_path / "north.toml"
    settings.write_text(
        '[values]\nsex = { W = "female" }\n[routing]\nsending_application = "EHRA"\n'
    )
    sample = tmp_path / "one.hl7"
    sample.write_text(message("C1", sex="W"), newline="")
    ended = run("connection", "check", str(settings), "--samples", str(sample))
    assert ended.code == 0, ended.err
    assert "Every message would be accepted and read." in ended.out
    assert "NORTH  NOT ROUTED" in ended.out
    assert not list(tmp_path.glob("*.db"))


def test_the_text_names_every_part_and_nobody(desk: Any, samples: Path) -> None:
    ended = desk.run("connection", "check", "EHR A", "--samples", str(samples))
    assert ended.code == 1
    for heading in (
        "Types and events", "Facilities", "Refused at the door", "Z segments",
        "Codes in no table", "Against the standard", "Fields used", "Not ready",
    ):  # fmt: skip
        assert heading in ended.out
    assert NAME not in ended.out


def test_samples_are_for_connections_that_receive_hl7(desk: Any, samples: Path) -> None:
    assert desk.run("connection", "check", "nobody", "--samples", str(samples)).code == 1
    empty = samples / "empty"
    empty.mkdir()
    assert checked(desk, "EHR A", empty)["messages"] == 0


def test_a_message_that_takes_too_long_is_given_up_and_the_next_is_answered() -> None:
    head = HEAD.format(sender="A", facility="B", type="ORU^R01^ORU_R01", id="1", mode="P")
    slow = head + "".join(f"OBX|{n}|NM|8480-6^BP^LN||{n}|mm||||||F\r" for n in range(1900))
    quick = message("C1").encode()
    with Conformance(seconds=1.5) as apart:
        assert apart.ask(slow.encode()) == (Finding("took_too_long"),)
        assert apart.ask(quick) == conformance.findings(quick)

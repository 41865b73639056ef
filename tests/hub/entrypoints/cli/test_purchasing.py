"""`mso-hub purchasing solve`: results, sentences and exit codes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.domain.purchasing.solve import Progress, solve
from hub.entrypoints.cli import purchasing

FIXTURES = Path(__file__).parents[4] / "fixtures" / "purchasing"
EXAMPLE = FIXTURES / "three-clinics.json"


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(purchasing.app, ["solve", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_json_is_the_result_and_nothing_else() -> None:
    code, out, err = run(str(EXAMPLE), "--json")
    expected = json.loads((FIXTURES / "three-clinics.expected.json").read_text())
    result = json.loads(out)
    del result["seconds"]
    assert (code, err, result) == (0, "", expected)


def test_without_json_the_plan_is_shown() -> None:
    code, out, err = run(str(EXAMPLE))
    assert (code, err) == (0, "")
    assert "3635.97 USD" in out
    assert "shares" in out
    assert "more than buying alone" not in out


def test_shares_above_what_a_practice_pays_alone_are_explained() -> None:
    code, out, _ = run(str(EXAMPLE.with_name("commitment.json")))
    assert code == 0
    assert "Under these rules the round costs more than buying alone." in " ".join(out.split())


def test_credits_of_incremental_tiers_are_shown_and_no_name_is_cut_short(tmp_path: Path) -> None:
    document = json.loads(EXAMPLE.read_text())
    for offer in document["offers"]:
        offer["tier_type"] = "incremental"
    (tmp_path / "round.json").write_text(json.dumps(document))
    code, out, _ = run(str(tmp_path / "round.json"))
    assert code == 0
    assert "credits" in out
    assert "…" not in out


def test_an_id_in_brackets_is_shown_as_it_is(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace('"ash"', '"[b]"').replace('"elm"', '"[/b]"')
    (tmp_path / "round.json").write_text(text)
    code, out, err = run(str(tmp_path / "round.json"))
    assert (code, err) == (0, "")
    assert "[b]" in out
    assert "[/b]" in out


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    text = EXAMPLE.read_text().replace(
        '"min_order": "50.00"', '"min_order": "50.00", "min_order": "0"'
    )
    (tmp_path / "round.json").write_text(text)
    code, out, err = run(str(tmp_path / "round.json"))
    assert (code, out) == (1, "")
    assert err.endswith("round.json: Key min_order stands twice in one object.\n")
    assert err.startswith("mso-hub: ")


def test_limits_may_be_set() -> None:
    code, out, _ = run(str(EXAMPLE), "--json", "--seconds", "5", "--gap", "0.5")
    assert code == 0
    assert json.loads(out)["gap"] <= 0.5


def test_an_infeasible_round_is_one_sentence_each_and_exit_code_1() -> None:
    code, out, err = run(str(FIXTURES / "minimum-order.json"))
    assert (code, out) == (1, "")
    assert "Practice oak may not buy from vendor brightwell." in err
    code, out, err = run(str(FIXTURES / "minimum-order.json"), "--json")
    assert (code, json.loads(out)["status"]) == (1, "infeasible")
    assert err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is not JSON: see line 1, column"),
        (b"\xff", "is not a text in UTF-8"),
        (b"[" * 200_000, "is nested too deeply"),
        (b"[]", "The instance must be an object"),
        (b'{"practices": []}', "items is missing"),
    ],
)
def test_a_faulty_file_is_one_sentence_and_exit_code_1(
    content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "instance.json"
    path.write_bytes(content)
    code, out, err = run(str(path))
    assert (code, out) == (1, "")
    assert words in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.json"], "missing.json cannot be read"),
        ([str(EXAMPLE), "--seconds", "0"], "--seconds must be a number of seconds"),
        ([str(EXAMPLE), "--gap", "5%"], "--gap must be a share"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(arguments: list[str], words: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1


def test_interrupted_it_keeps_the_best_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    def press_then_solve(instance, progress, should_stop):  # type: ignore[no-untyped-def]
        def at_the_solver(told: Progress) -> None:
            if told.phase == "solver" and not should_stop():
                os.kill(os.getpid(), signal.SIGINT)

        return solve(instance, at_the_solver, should_stop)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(purchasing, "solve", press_then_solve)
    code, out, _ = run(str(EXAMPLE), "--json")
    assert code == 0
    assert json.loads(out)["awards"]
    assert signal.getsignal(signal.SIGINT) is before


def test_progress_reads_as_one_line() -> None:
    told = Progress("local_search", 1.25, 10_000, 9_900)
    assert purchasing.describe(told) == ("local search, 1.2 s, cost 100.00, bound 99.00, gap 1.00%")
    assert purchasing.describe(Progress("greedy", 0.0)) == "greedy, 0.0 s"

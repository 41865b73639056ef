"""The demonstration's MSO: whatever its size, seed and hour, each thing it shows is in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors.payer_x12.simulator import PAYER_DOWN
from hub.domain.eligibility_rules import DUE_UNTIL
from hub.entrypoints.demo.run import traffic_of
from hub.entrypoints.demo.world import MOST, World, build_world, open_world, stored_world

STARTED = datetime(2026, 3, 2, 15, tzinfo=UTC)
NUMBERS = (1, 2, 3, 4, 5, 7, 12, MOST)


def world_of(practices: int, seed: int = 1, started_at: datetime = STARTED) -> World:
    return build_world(seed=seed, practices=practices, started_at=started_at)


def fields(content: bytes) -> dict[str, list[str]]:
    """The first segment of each name; a field has the number that HL7 gives it."""
    segments: dict[str, list[str]] = {}
    for line in content.decode().split("\r"):
        segments.setdefault(line[:3], line.split("|"))
    return segments


def outcomes_asked_for(world: World, now: datetime) -> set[str]:
    """The answers that the cards of patients deserve whose visits the nightly run asks about."""
    cards: dict[str, str] = {}
    booked: dict[str, set[str]] = {}
    for traffic in traffic_of(world):
        zone = ZoneInfo(traffic.feed.zone)
        tomorrow = now.astimezone(zone).date() + timedelta(days=1)
        for message in traffic.messages:
            if message.label != "good":
                continue
            found = fields(message.content)
            mrn = found["PID"][3].split("^")[0]
            if "IN1" in found:
                down = found["IN1"][3] == PAYER_DOWN
                cards.setdefault(mrn, "DOWN" if down else found["IN1"][36][:3])
            if message.event == "S15":
                booked[mrn].discard(found["SCH"][2])
            if message.event in {"S12", "S13"}:
                local = found["SCH"][11].split("^")[3]
                starts = datetime.strptime(local, "%Y%m%d%H%M%S").replace(tzinfo=zone)
                if starts.date() >= tomorrow and starts - now <= DUE_UNTIL:
                    booked.setdefault(mrn, set()).add(found["SCH"][2])
    return {cards[mrn] for mrn, visits in booked.items() if visits}


@pytest.mark.parametrize("seed", [1, 2, 77, -3])
@pytest.mark.parametrize("practices", NUMBERS)
def test_each_eligibility_outcome_is_among_the_visits_asked_about(
    practices: int, seed: int
) -> None:
    world = world_of(practices, seed)
    assert outcomes_asked_for(world, world.started_at) == {"ACT", "INA", "REJ", "DOWN"}


@pytest.mark.parametrize("hour", range(24))
def test_it_does_not_matter_when_it_is_begun_nor_that_a_day_ends_meanwhile(hour: int) -> None:
    world = world_of(1, started_at=STARTED.replace(hour=hour, minute=59))
    for later in (timedelta(0), timedelta(minutes=2), timedelta(hours=2)):
        now = world.started_at + later
        assert outcomes_asked_for(world, now) == {"ACT", "INA", "REJ", "DOWN"}


@pytest.mark.parametrize("practices", NUMBERS)
def test_the_practice_without_an_agreement_is_none_of_the_msos(practices: int) -> None:
    world = world_of(practices)
    assert len({practice.id for practice in world.practices}) == practices
    known = {(practice.id, practice.npi, practice.name) for practice in world.practices}
    outsider = world.outsider
    for own, of in enumerate((outsider.id, outsider.npi, outsider.name)):
        assert of not in {practice[own] for practice in known}


def test_a_world_goes_on_where_its_data_lies_until_another_day(tmp_path: Path) -> None:
    assert stored_world(tmp_path) is None
    begun = open_world(tmp_path, seed=4, practices=2, now=STARTED)
    assert stored_world(tmp_path) == begun
    later = STARTED + timedelta(hours=3)
    assert open_world(tmp_path, seed=4, practices=2, now=later) == begun
    next_day = STARTED + timedelta(days=1)
    assert open_world(tmp_path, seed=4, practices=2, now=next_day).today == next_day.date()

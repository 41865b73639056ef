"""What is kept is bounded by its weight, and by how often it is asked for."""

from __future__ import annotations

from schema.kept import Kept


def asked(kept: Kept[str], *keys: str) -> None:
    for key in keys:
        assert kept.get(key, lambda key=key: key * 2) == key * 2


def test_what_was_not_used_for_longest_goes_first() -> None:
    kept: Kept[str] = Kept(3)
    asked(kept, "a", "b", "c", "a", "d")
    assert [key for key in "abcd" if key in kept] == ["a", "c", "d"]
    assert len(kept) == 3


def test_what_is_kept_weighs_no_more_than_there_is_room() -> None:
    kept: Kept[str] = Kept(10, lambda key, made: len(made))
    asked(kept, "a", "bb", "c")
    assert len(kept) == 3
    asked(kept, "ddd")
    assert [key for key in ("a", "bb", "c", "ddd") if key in kept] == ["c", "ddd"]
    asked(kept, "e" * 6)
    assert len(kept) == 0


def test_what_is_asked_for_again_is_kept() -> None:
    kept: Kept[str] = Kept(2, again=True)
    asked(kept, "a", "b", "c")
    assert len(kept) == 0
    asked(kept, "b", "a", "a")
    asked(kept, *(f"once {number}" for number in range(10)))
    assert "a" in kept
    assert "b" in kept

"""Check digits of GS1 keys."""

import pytest

from hub.domain.gs1 import check_digit, gtin14, is_gtin, is_sscc


@pytest.mark.parametrize(
    "value", ["4006381333931", "036000291452", "10614141000415", "96385074", "00614141999996"]
)
def test_keys_with_the_right_check_digit_pass(value: str) -> None:
    assert is_gtin(value)
    assert check_digit(value[:-1]) == int(value[-1])


@pytest.mark.parametrize(
    "value", ["4006381333932", "123", "", "1061414100041X", "٤٠٠٦٣٨١٣٣٣٩٣١", "106141410004150"]
)
def test_everything_else_fails(value: str) -> None:
    assert not is_gtin(value)


def test_an_sscc_has_eighteen_digits() -> None:
    assert is_sscc("106141411234567897")
    assert not is_sscc("106141411234567890")
    assert not is_sscc("4006381333931")


def test_padding_to_fourteen_digits_keeps_the_check_digit() -> None:
    assert gtin14("036000291452") == "00036000291452"
    assert is_gtin(gtin14("036000291452"))
    assert gtin14("N/A") == "N/A"


def test_a_key_of_other_signs_is_no_number() -> None:
    with pytest.raises(ValueError, match="digits"):
        check_digit("12A")

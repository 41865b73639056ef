"""The verifier proves genuine requests, refuses everything else and never breaks."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sdk.signatures import (
    SCHEMES,
    SignatureInvalid,
    scheme_from_manifest,
    sign,
    verify,
)
from hub.errors import ConfigError

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BODY = b'{"uuid": "b-1", "data": {"id": "evt_9"},  "amount": "1.50"}'
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER = "whsec_" + base64.b64encode(b"another secret, equally long...!").decode()

every_scheme = pytest.mark.parametrize("name", sorted(SCHEMES))


def signed(
    name: str, body: bytes = BODY, secret: str = SECRET, at: datetime = NOW
) -> dict[str, str]:
    return sign(SCHEMES[name], secret, event_id="evt_1", timestamp=at, body=body)


@every_scheme
def test_what_sign_signs_verify_accepts(name: str) -> None:
    verified = verify(SCHEMES[name], [SECRET], signed(name), BODY, NOW)
    assert verified.id
    assert (verified.timestamp == NOW) is (SCHEMES[name].tolerance is not None)


@every_scheme
def test_header_names_are_read_in_any_case(name: str) -> None:
    shouting = {key.upper(): value for key, value in signed(name).items()}
    assert verify(SCHEMES[name], [SECRET], shouting, BODY, NOW).id


@every_scheme
def test_no_secret_means_nothing_is_accepted(name: str) -> None:
    for secrets in ([], [""]):
        with pytest.raises(SignatureInvalid):
            verify(SCHEMES[name], secrets, signed(name), BODY, NOW)


@every_scheme
def test_another_secret_or_no_signature_is_refused(name: str) -> None:
    with pytest.raises(SignatureInvalid):
        verify(SCHEMES[name], [OTHER], signed(name), BODY, NOW)
    with pytest.raises(SignatureInvalid):
        verify(SCHEMES[name], [SECRET], {}, BODY, NOW)


@pytest.mark.parametrize("name", sorted(n for n in SCHEMES if SCHEMES[n].shape != "token"))
@pytest.mark.parametrize("position", [0, 20, len(BODY) - 1])
def test_one_changed_byte_is_refused(name: str, position: int) -> None:
    changed = bytearray(BODY)
    changed[position] ^= 1
    with pytest.raises(SignatureInvalid):
        verify(SCHEMES[name], [SECRET], signed(name), bytes(changed), NOW)


def test_a_body_serialised_again_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        verify(SCHEMES["standard"], [SECRET], signed("standard"), BODY.replace(b",  ", b", "), NOW)


@every_scheme
def test_during_a_rotation_both_secrets_hold_and_the_one_used_is_told(name: str) -> None:
    old = verify(SCHEMES[name], [OTHER, SECRET], signed(name), BODY, NOW)
    new = verify(SCHEMES[name], [OTHER, SECRET], signed(name, secret=OTHER), BODY, NOW)
    assert (old.secret_index, new.secret_index) == (1, 0)


def test_any_of_several_signatures_may_match() -> None:
    headers = signed("standard")
    good = headers["webhook-signature"]
    headers["webhook-signature"] = f"v9,abc v1,{base64.b64encode(b'x' * 32).decode()} {good}"
    assert verify(SCHEMES["standard"], [SECRET], headers, BODY, NOW).id == "evt_1"


def test_a_flood_of_signatures_is_refused() -> None:
    headers = signed("standard")
    headers["webhook-signature"] = " ".join([headers["webhook-signature"]] * 17)
    with pytest.raises(SignatureInvalid):
        verify(SCHEMES["standard"], [SECRET], headers, BODY, NOW)


@pytest.mark.parametrize("name", ["standard", "svix", "finch", "stripe"])
@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_stale_or_future_time_is_refused(name: str, seconds: int) -> None:
    headers = signed(name, at=NOW + timedelta(seconds=seconds))
    with pytest.raises(SignatureInvalid, match="time"):
        verify(SCHEMES[name], [SECRET], headers, BODY, NOW)


def test_the_edge_of_the_tolerance_is_accepted() -> None:
    at = NOW - timedelta(seconds=300)
    assert verify(SCHEMES["stripe"], [SECRET], signed("stripe", at=at), BODY, NOW).timestamp == at


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp"])
def test_the_signed_id_and_time_cannot_be_changed_or_left_out(header: str) -> None:
    for value in ("1772452801", ""):
        with pytest.raises(SignatureInvalid):
            verify(SCHEMES["standard"], [SECRET], signed("standard") | {header: value}, BODY, NOW)


def test_an_unsigned_delivery_id_never_becomes_the_id() -> None:
    scheme = scheme_from_manifest({"scheme": "github", "id_header": "X-Delivery"})
    headers = sign(scheme, SECRET, event_id="one", timestamp=NOW, body=BODY)
    first = verify(scheme, [SECRET], headers, BODY, NOW)
    second = verify(scheme, [SECRET], headers | {"x-delivery": "two"}, BODY, NOW)
    assert (first.id, first.delivery, second.delivery) == (second.id, "one", "two")
    assert first.id == "sha256:" + hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    ("path", "expected"), [("data.id", "evt_9"), ("uuid", "b-1"), ("data.none.id", "sha256:")]
)
def test_the_id_is_read_from_the_signed_body(path: str, expected: str) -> None:
    scheme = scheme_from_manifest({"scheme": "stripe", "id_path": path})
    headers = sign(scheme, SECRET, event_id="", timestamp=NOW, body=BODY)
    assert verify(scheme, [SECRET], headers, BODY, NOW).id.startswith(expected)


def test_the_standard_signature_equals_the_published_formula() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    content = b"evt_1." + str(int(NOW.timestamp())).encode() + b"." + BODY
    expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    assert signed("standard")["webhook-signature"] == f"v1,{expected}"


def test_an_ed25519_signature_is_verified_with_the_public_key() -> None:
    private = Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    public = "whpk_" + base64.b64encode(raw).decode()
    stamp = str(int(NOW.timestamp()))
    signature = base64.b64encode(private.sign(f"e.{stamp}.".encode() + BODY)).decode()
    headers = {
        "webhook-id": "e",
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1a,{signature}",
    }
    assert verify(SCHEMES["standard"], [public], headers, BODY, NOW).id == "e"
    with pytest.raises(SignatureInvalid):
        verify(SCHEMES["standard"], [public], headers, BODY + b" ", NOW)


def test_a_public_key_is_never_used_as_an_hmac_key() -> None:
    public = "whpk_" + base64.b64encode(b"k" * 32).decode()
    forged = sign(SCHEMES["standard"], public, event_id="e", timestamp=NOW, body=BODY)
    with pytest.raises(SignatureInvalid):
        verify(SCHEMES["standard"], [public], forged, BODY, NOW)


def test_a_secret_that_is_no_base64_proves_nothing() -> None:
    with pytest.raises(SignatureInvalid):
        verify(SCHEMES["standard"], ["whsec_%%%"], signed("standard"), BODY, NOW)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"scheme": "md5"},
        {"scheme": "standard", "toleranse": 5},
        {"scheme": "standard", "tolerance": "5"},
        {"scheme": "github", "tolerance": 300},
        {"scheme": "github", "signs": "nothing"},
    ],
)
def test_a_manifest_with_a_bad_scheme_is_named(table: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        scheme_from_manifest(table)
    assert caught.value.field.startswith("webhook.")


def test_a_manifest_changes_fields_of_its_scheme() -> None:
    scheme = scheme_from_manifest(
        {"scheme": "github", "signature_header": "X-Vendor-Signature", "prefix": "hmac-sha256 "}
    )
    headers = sign(scheme, SECRET, event_id="", timestamp=NOW, body=BODY)
    assert headers["x-vendor-signature"].startswith("hmac-sha256 ")
    assert verify(scheme, [SECRET], headers, BODY, NOW).timestamp is None


hostile_text = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="v1a,=t sha256:0123456789\x00\udcff ", max_size=60),
    st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")),
)
header_names = sorted(
    {s.signature_header for s in SCHEMES.values()}
    | {s.id_header for s in SCHEMES.values() if s.id_header}
    | {s.timestamp_header for s in SCHEMES.values() if s.timestamp_header}
)


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(sorted(SCHEMES)),
    headers=st.dictionaries(st.sampled_from(header_names), hostile_text),
    body=st.binary(max_size=40),
    secret=st.one_of(st.just(SECRET), st.text(alphabet="whsecpk_=A%", min_size=1, max_size=12)),
)
def test_hostile_headers_raise_signature_invalid_only(
    name: str, headers: dict[str, str], body: bytes, secret: str
) -> None:
    scheme = SCHEMES[name]
    if scheme.shape == "token" and headers.get("authorization", "").endswith(secret):
        return
    with pytest.raises(SignatureInvalid):
        verify(scheme, [secret], headers, body, NOW)


@settings(max_examples=100, deadline=None)
@given(stamp=hostile_text, body=st.binary(max_size=60))
def test_a_signed_but_senseless_time_is_refused(stamp: str, body: bytes) -> None:
    content = stamp.encode("utf-8", "replace") + b"." + body
    value = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
    with pytest.raises(SignatureInvalid):
        verify(
            SCHEMES["stripe"], [SECRET], {"stripe-signature": f"t={stamp},v1={value}"}, body, NOW
        )


def test_a_shared_secret_never_answers_for_a_public_key_signature() -> None:
    headers = signed("standard")
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v1a,")
    with pytest.raises(SignatureInvalid):
        verify(SCHEMES["standard"], [SECRET], headers, BODY, NOW)

"""Payloads at rest."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenrusl.crypto import AuditKeys, PayloadCipher, SealedTextError, SecretCipher, decode_app_key
from tenrusl.secret import Secret

CIPHER = PayloadCipher(bytes(range(32)))


@given(st.binary(max_size=4096), st.binary(max_size=32))
def test_what_is_sealed_opens_under_the_same_context_only(plaintext: bytes, context: bytes) -> None:
    sealed = CIPHER.seal(plaintext, context=context)
    assert CIPHER.open(sealed, context=context) == plaintext
    with pytest.raises(SealedTextError):
        CIPHER.open(sealed, context=context + b"x")


@given(st.binary(min_size=1, max_size=64), st.integers(min_value=0), st.integers(0, 7))
def test_a_changed_bit_does_not_open(plaintext: bytes, position: int, bit: int) -> None:
    sealed = bytearray(CIPHER.seal(plaintext, context=b"c"))
    sealed[position % len(sealed)] ^= 1 << bit
    with pytest.raises(SealedTextError):
        CIPHER.open(bytes(sealed), context=b"c")


def test_another_key_does_not_open() -> None:
    with pytest.raises(SealedTextError, match="not configured"):
        PayloadCipher(bytes(32)).open(CIPHER.seal(b"a", context=b"c"), context=b"c")


def test_what_any_configured_key_sealed_opens_and_is_sealed_anew_under_the_first() -> None:
    old, new = PayloadCipher(bytes(32)), PayloadCipher(bytes(range(32)), [bytes(32)])
    sealed = old.seal(b"a", context=b"c")
    assert new.open(sealed, context=b"c") == b"a"
    assert CIPHER.open(new.seal(b"b", context=b"c"), context=b"c") == b"b"
    assert CIPHER.open(new.reseal(sealed, context=b"c"), context=b"c") == b"a"
    with pytest.raises(SealedTextError):
        new.reseal(sealed, context=b"d")


def test_a_key_id_stands_in_front_and_each_key_has_one() -> None:
    cipher = PayloadCipher(bytes(range(32)), [bytes(32), bytes(range(32)), bytes(32)])
    assert cipher.key_ids == (CIPHER.key_ids[0], PayloadCipher(bytes(32)).key_ids[0])
    assert cipher.seal(b"a", context=b"c").startswith(cipher.key_ids[0])


def test_a_previous_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PayloadCipher(bytes(32), [bytes(31)])


def test_the_same_text_is_never_sealed_alike() -> None:
    assert CIPHER.seal(b"a", context=b"c") != CIPHER.seal(b"a", context=b"c")


@pytest.mark.parametrize("size", [0, 3, 15, 31])
def test_what_is_too_short_does_not_open(size: int) -> None:
    with pytest.raises(SealedTextError):
        CIPHER.open(CIPHER.seal(b"a", context=b"c")[:size], context=b"c")


def test_an_app_key() -> None:
    key = bytes(range(32))
    assert decode_app_key(Secret(f"base64:{base64.b64encode(key).decode()}")) == key


@pytest.mark.parametrize(
    "text", ["", "base64:", "abc", "base64:!!!!", "base64:" + base64.b64encode(bytes(31)).decode()]
)
def test_a_wrong_app_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|valid") as caught:
        decode_app_key(Secret(text))
    assert len(text) < 8 or text[7:] not in str(caught.value)


SECRETS = SecretCipher(bytes(range(32)))
NAMES = st.text(max_size=12)


@given(NAMES, NAMES, NAMES, st.integers(1, 9))
def test_a_sealed_secret_opens_as_its_own_version_only(secret: str, provider: str, field: str, number: int) -> None:
    sealed = SECRETS.seal(Secret(secret), provider=provider, field=field, number=number)
    assert SECRETS.open(sealed, provider=provider, field=field, number=number) == Secret(secret)
    for other in ((provider + "x", field, number), (provider, field + "x", number), (provider, field, number + 1)):
        with pytest.raises(SealedTextError):
            SECRETS.open(sealed, provider=other[0], field=other[1], number=other[2])


def test_a_payload_does_not_open_as_a_secret() -> None:
    with pytest.raises(SealedTextError, match="not configured"):
        SECRETS.open(CIPHER.seal(b"a", context=b""), provider="", field="", number=1)


def test_the_key_for_tokens_is_the_same_in_every_process_and_another_for_each_provider() -> None:
    assert SECRETS.token_keys("doku") == SecretCipher(bytes(range(32))).token_keys("doku")
    keys = {cipher.token_keys(name)[0] for cipher in (SECRETS, SecretCipher(bytes(32))) for name in ("doku", "other")}
    assert len(keys) == 4


def test_tokens_are_issued_under_app_key_and_hold_under_previous_keys_too() -> None:
    (new,), (old,) = SECRETS.token_keys("doku"), SecretCipher(bytes(32)).token_keys("doku")
    assert SecretCipher(bytes(range(32)), [bytes(32)]).token_keys("doku") == [new, old]


def test_codes_of_the_audit_log_are_made_under_app_key_and_count_under_previous_keys_too() -> None:
    old, new = AuditKeys(bytes(32)), AuditKeys(bytes(range(32)), [bytes(32)])
    code = old.code(b"entry", b"text")
    assert new.is_right(code, old.key_id, b"entry", b"text")
    assert not new.is_right(code, new.key_id, b"entry", b"text")
    assert new.code(b"entry", b"text") == AuditKeys(bytes(range(32))).code(b"entry", b"text")
    assert new.key_ids == (AuditKeys(bytes(range(32))).key_id, old.key_id)


def test_a_key_of_the_audit_log_outlives_its_app_key() -> None:
    old, new = AuditKeys(bytes(32)), AuditKeys(bytes(range(32)), [bytes(32)])
    kept, alone = {old.key_id: new.seal(old.key_id)}, AuditKeys(bytes(range(32)))
    known, unopened = alone.with_kept(kept)
    code = old.code(b"entry", b"text")
    assert unopened == 0
    assert known.is_right(code, old.key_id, b"entry", b"text")
    assert not alone.is_right(code, old.key_id, b"entry", b"text")
    assert known.key_id == alone.key_id
    assert AuditKeys(bytes(31) + b"x").with_kept(kept)[1] == 1
    assert alone.with_kept({b"1234": kept[old.key_id]})[1] == 1  # bound to its id


def test_fingerprints_tell_secrets_fields_and_keys_apart() -> None:
    def fingerprint(secret: str, provider: str = "a", field: str = "b", cipher: SecretCipher = SECRETS) -> bytes:
        return cipher.fingerprint(Secret(secret), provider=provider, field=field)

    assert fingerprint("s") == fingerprint("s")
    others = [fingerprint("t"), fingerprint("s", "ab", ""), fingerprint("s", cipher=SecretCipher(bytes(32)))]
    assert len({fingerprint("s"), *others}) == 4


def test_a_recogniser_outlives_its_key_and_opens_nothing() -> None:
    old, new = SecretCipher(bytes(32)), SecretCipher(bytes(range(32)), [bytes(32)])
    secret, place = Secret("s"), {"provider": "a", "field": "b"}
    stored = {item.id: new.seal_recogniser(item) for item in new.recognisers}
    found, unopened = SECRETS.with_stored(stored)
    assert unopened == 0
    assert old.fingerprint(secret, **place) in [item.fingerprint(secret, **place) for item in found]
    with pytest.raises(SealedTextError):
        SECRETS.open(old.seal(secret, number=1, **place), number=1, **place)
    assert SecretCipher(bytes(31) + b"x").with_stored(stored)[1] == 2


def test_a_recogniser_is_bound_to_its_id() -> None:
    (recogniser,) = SECRETS.recognisers
    with pytest.raises(SealedTextError):
        SECRETS.open_recogniser(b"1234", SECRETS.seal_recogniser(recogniser))

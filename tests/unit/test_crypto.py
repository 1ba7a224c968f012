"""Payloads at rest."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenrusl.crypto import PayloadCipher, SealedTextError, SecretCipher, decode_app_key
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
    assert SECRETS.token_key("doku") == SecretCipher(bytes(range(32))).token_key("doku")
    keys = {cipher.token_key(name) for cipher in (SECRETS, SecretCipher(bytes(32))) for name in ("doku", "other")}
    assert len(keys) == 4


def test_fingerprints_tell_secrets_fields_and_keys_apart() -> None:
    def fingerprint(secret: str, provider: str = "a", field: str = "b", cipher: SecretCipher = SECRETS) -> bytes:
        return cipher.fingerprint(Secret(secret), provider=provider, field=field)

    assert fingerprint("s") == fingerprint("s")
    others = [fingerprint("t"), fingerprint("s", "ab", ""), fingerprint("s", cipher=SecretCipher(bytes(32)))]
    assert len({fingerprint("s"), *others}) == 4

"""Secrets from the settings, and from files that change."""

import json
import os
import random
from pathlib import Path

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.ingress.credentials import CredentialBook
from tenrusl.crypto import SecretCipher
from tenrusl.providers import PROVIDERS
from tenrusl.providers.schemes.bearer_tokens import TOKEN_KEY
from tenrusl.rotation import StoredField, StoredVersion
from tenrusl.secret import Secret
from tenrusl.settings import CredentialVersions, SettingsError, load_credentials
from tenrusl.simulator import simulated_credentials
from tenrusl.simulator.fetched_keys import jwk
from tenrusl.simulator.pki import authority, issue
from tenrusl.simulator.variables import to_variables

NAME = "TENRUSL_WEBHOOK_SECRET_MOCK_FILE"


def secrets(book: CredentialBook, provider: str, field: str) -> list[str]:
    return [version.secret.reveal() for version in book[provider].versions(field)]


def book_of(environ: dict[str, str], *files: Path) -> CredentialBook:
    def read() -> CredentialVersions:
        return load_credentials(environ)

    return CredentialBook(PROVIDERS, read(), files=files, read=read)


def test_the_main_secret_goes_to_the_providers_own_field() -> None:
    book = book_of(
        {
            "TENRUSL_WEBHOOK_SECRET_STRIPE": "a",
            "TENRUSL_WEBHOOK_SECRET_STRIPE_NEXT": "b",
            "TENRUSL_WEBHOOK_SECRET_NOSUCH": "c",
        }
    )
    assert secrets(book, "stripe", PROVIDERS["stripe"].secret_field) == ["a", "b"]
    assert list(book) == ["stripe"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("one\n")
    book = book_of({NAME: str(path)}, path)
    assert not book.refresh()
    other = tmp_path / "new"
    other.write_text("two")
    os.replace(other, path)  # as Kubernetes does
    assert book.refresh()
    assert secrets(book, "mock", PROVIDERS["mock"].secret_field) == ["two"]
    assert not book.refresh()


def test_a_file_that_vanishes_leaves_the_secret_in_force(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("one")
    book = book_of({NAME: str(path)}, path)
    path.unlink()
    assert not book.refresh()
    assert secrets(book, "mock", PROVIDERS["mock"].secret_field) == ["one"]
    path.write_text("three")
    assert book.refresh()
    assert secrets(book, "mock", PROVIDERS["mock"].secret_field) == ["three"]


def test_a_missing_file_at_the_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=NAME):
        load_credentials({NAME: str(tmp_path / "none")})


def test_a_file_that_is_not_filled_yet_leaves_the_secrets_in_force(tmp_path: Path) -> None:
    current, following = tmp_path / "current", tmp_path / "next"
    current.write_text("one")
    environ = {NAME: str(current), "TENRUSL_WEBHOOK_SECRET_MOCK_NEXT_FILE": str(following)}
    following.write_text("two")
    book = book_of(environ, current, following)
    following.write_text("")
    assert not book.refresh()
    assert secrets(book, "mock", PROVIDERS["mock"].secret_field) == ["one", "two"]


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


CA = authority()
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - that is what is tested
P256 = ec.generate_private_key(ec.SECP256R1())
P256_JWKS = json.dumps({"keys": [jwk(P256.public_key(), "k") | {"crv": "P-256"}]})
GOOD_JWKS = json.dumps({"keys": [jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), "k")]})
STRONG = pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))
FIELD = "TENRUSL_PROVIDER_"
SECRET = "TENRUSL_WEBHOOK_SECRET_"
OF_NO_USE = [
    (f"{SECRET}DANA", "no key"),
    (f"{SECRET}DANA", pem_of(WEAK)),
    (f"{SECRET}DANA_NEXT", pem_of(P256)),
    (f"{FIELD}MIDTRANS__SNAP_PUBLIC_KEY_PEM", pem_of(WEAK)),
    (f"{FIELD}PADDLE__CLASSIC_PUBLIC_KEY_PEM", STRONG[:-60]),
    (f"{FIELD}DOKU__DOKU_PUBLIC_KEY_PEM", "x"),
    (f"{FIELD}PAYPAL__CERT_PEM", STRONG),
    (f"{FIELD}PAYPAL__CERT_PEM_NEXT", issue(CA, "x", key=WEAK).certificate_pem),
    (f"{FIELD}PAYPAL__CERT_PEM", issue(CA, "x", key=P256).certificate_pem),
    (f"{FIELD}PAYPAL__ROOT_PEMS", "x"),
    (f"{FIELD}PAYPAL__CERT_URL_ALLOWED_HOSTS", "https://api.paypal.com"),
    (f"{FIELD}PAYPAL__CERT_URL_ALLOWED_HOSTS", ","),
    (f"{FIELD}PAYPAL__VERIFICATION", "always"),
    (f"{FIELD}PAYPAL__API_HOST", "api.paypal.com"),
    (f"{SECRET}PAYPAL", "a|b"),
    (f"{SECRET}AMAZON_BWP", "{}"),
    (f"{SECRET}AMAZON_BWP", "no json"),
    (f"{SECRET}AMAZON_BWP", P256_JWKS),
    (f"{FIELD}AMAZON_BWP__JWKS_URL", "http://api.example/jwks.json"),
    (f"{FIELD}AMAZON_BWP__SIGNATURE_ENCODING", "der,xml"),
    (f"{SECRET}STANDARDWEBHOOKS", "whsec_!"),
    (f"{FIELD}STANDARDWEBHOOKS__PUBLIC_KEY", "whpk_AAAA"),
    (f"{SECRET}OY", "10.0.0.1/8"),
    (f"{SECRET}PAYONEER", "Token"),
    (f"{SECRET}STRIPE", "   "),
    (f"{FIELD}STRIPE__FEILD", "x"),
    (f"{FIELD}STRIPE__SIGNING_SECERT_NEXT", "x"),
    (f"{FIELD}PAYPAL__POSTBACK_ANSWER", "authentic"),
]


@pytest.mark.parametrize(("variable", "text"), OF_NO_USE, ids=[f"{n} {name}" for n, (name, _) in enumerate(OF_NO_USE)])
def test_what_is_of_no_use_is_named_at_the_start_without_its_value(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        book_of({variable: text, f"{SECRET}MOCK": "fine"})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{variable}: ")
    assert len(text.strip()) < 4 or text not in problem


GOOD = {
    f"{SECRET}DANA": STRONG,
    f"{FIELD}PAYPAL__CERT_PEM": issue(CA, "x").certificate_pem + CA.certificate_pem,
    f"{FIELD}PAYPAL__ROOT_PEMS": CA.certificate_pem,
    f"{FIELD}PAYPAL__CERT_URL_ALLOWED_HOSTS": "api.paypal.com, 127.0.0.1:8443",
    f"{FIELD}PAYPAL__VERIFICATION": "offline",
    f"{SECRET}AMAZON_BWP": GOOD_JWKS,
    f"{FIELD}AMAZON_BWP__SIGNATURE_ENCODING": "der, raw",
    f"{SECRET}OY": "192.0.2.7, 198.51.100.0/24",
    f"{SECRET}PAYONEER": "List-Security-Token: x",
}


@pytest.mark.parametrize("variable", GOOD)
def test_what_is_of_use_is_taken(variable: str) -> None:
    assert len(book_of({variable: GOOD[variable]})) == 1


def test_what_the_simulator_makes_is_of_use() -> None:
    for provider in PROVIDERS.values():
        made = simulated_credentials(provider, random.Random(1))
        variables = {k: v for k, v in to_variables(provider, made).items() if not k.startswith("TENRUSL_SIMULATOR_")}
        assert list(book_of(variables)) == [provider.name]


@pytest.mark.parametrize("mode", ["postback", "both"])
def test_the_api_needs_a_client(mode: str) -> None:
    environ = {f"{SECRET}PAYPAL": "W", f"{FIELD}PAYPAL__VERIFICATION": mode, f"{FIELD}PAYPAL__CLIENT_ID": "id"}
    with pytest.raises(SettingsError) as caught:
        book_of(environ)
    assert [line.partition(":")[0] for line in caught.value.problems] == [f"{FIELD}PAYPAL__CLIENT_SECRET"]
    assert book_of(environ | {f"{FIELD}PAYPAL__CLIENT_SECRET": "s"})


def test_one_secret_under_two_names_is_refused() -> None:
    with pytest.raises(SettingsError, match="keep one"):
        book_of({f"{SECRET}STRIPE": "a", f"{FIELD}STRIPE__SIGNING_SECRET": "b"})


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        book_of(dict(OF_NO_USE[:1]) | {f"{FIELD}STRIPE__FEILD": "x", f"{SECRET}OY": "?"})
    assert len(caught.value.problems) == 3


def test_a_file_that_becomes_of_no_use_leaves_the_secret_in_force_and_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(STRONG)
    book = book_of({f"{SECRET}DANA_FILE": str(path)}, path)
    path.write_text(pem_of(WEAK))
    with structlog.testing.capture_logs() as logs:
        assert not book.refresh()
        assert not book.refresh()
    assert [entry["problems"][0].partition(":")[0] for entry in logs] == [f"{SECRET}DANA"]
    assert secrets(book, "dana", "public_key_pem") == [STRONG.rstrip("\n")]
    path.write_text(STRONG + "\n\n")
    assert book.refresh()


def test_the_id_that_paypals_simulator_signs_for_everybody_is_refused() -> None:
    with pytest.raises(SettingsError, match="simulator signs this one for everybody"):
        book_of({"TENRUSL_WEBHOOK_SECRET_PAYPAL": "WEBHOOK_ID"})


CIPHER = SecretCipher(bytes(32))
MAIN = "TENRUSL_WEBHOOK_SECRET_MOCK"


def fingerprint(secret: str, field: str = "secret") -> bytes:
    return CIPHER.fingerprint(Secret(secret), provider="mock", field=field)


def stored(*accepted: StoredVersion, denied: tuple[str, ...] = ()) -> dict[tuple[str, str], StoredField]:
    prints = frozenset(fingerprint(secret) for secret in denied)
    return {("mock", "secret"): StoredField(accepted=accepted, denied=prints)}


def book_with_store(environ: dict[str, str], *files: Path) -> CredentialBook:
    def read() -> CredentialVersions:
        return load_credentials(environ)

    return CredentialBook(PROVIDERS, read(), files=files, read=read, cipher=CIPHER)


def test_stored_secrets_stand_beside_those_of_the_environment() -> None:
    book = book_with_store({MAIN: "old", "TENRUSL_WEBHOOK_SECRET_STRIPE": "other"})
    book.replace_stored(
        stored(StoredVersion(1, fingerprint("old"), None), StoredVersion(2, fingerprint("new"), Secret("new")))
    )
    assert secrets(book, "mock", "secret") == ["old", "new"]
    assert [version.version for version in book["mock"].versions("secret")] == ["v1", "v2"]
    assert secrets(book, "stripe", "signing_secret") == ["other"]
    book.replace_stored({})
    assert secrets(book, "mock", "secret") == ["old"]


def test_a_provider_may_have_stored_secrets_only() -> None:
    book = book_with_store({})
    book.replace_stored(stored(StoredVersion(2, fingerprint("new"), Secret("new"))))
    assert secrets(book, "mock", "secret") == ["new"]


def test_stored_secrets_of_others_are_passed_over() -> None:
    book = book_with_store({})
    version = StoredVersion(1, b"", Secret("new"))
    book.replace_stored(
        {(p, f): StoredField(accepted=[version]) for p, f in (("nosuch", "secret"), ("mock", "nosuch"))}
    )
    assert list(book) == []


def test_a_retired_secret_of_the_environment_is_named_by_its_variable_only() -> None:
    book = book_with_store({MAIN: "old-secret"})
    with structlog.testing.capture_logs() as logs:
        book.replace_stored(stored(StoredVersion(2, fingerprint("new"), Secret("new")), denied=("old-secret",)))
    assert secrets(book, "mock", "secret") == ["new"]
    assert [entry["variable"] for entry in logs] == [MAIN]
    assert "old-secret" not in str(logs)


def test_a_file_that_changes_leaves_stored_secrets_in_force(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    book = book_with_store({NAME: str(path)}, path)
    book.replace_stored(stored(StoredVersion(2, fingerprint("new"), Secret("new")), denied=("old",)))
    (tmp_path / "other").write_text("third")
    os.replace(tmp_path / "other", path)
    assert book.refresh()
    assert secrets(book, "mock", "secret") == ["third", "new"]
    assert [item.fingerprint for item in book.environment_secrets()] == [fingerprint("third")]


def test_one_secret_in_two_variables_is_reported_once() -> None:
    book = book_with_store({MAIN: "same", f"{MAIN}_NEXT": "same"})
    assert [item.fingerprint for item in book.environment_secrets()] == [fingerprint("same")]
    assert book_of({MAIN: "same"}).environment_secrets() == []


def test_a_provider_that_asks_for_tokens_has_our_own_key_which_no_rotation_changes() -> None:
    book = book_with_store({"TENRUSL_WEBHOOK_SECRET_DOKU": "old", MAIN: "old"})
    before = secrets(book, "doku", TOKEN_KEY)
    assert before == [key.reveal() for key in CIPHER.token_keys("doku")]
    book.replace_stored({("doku", "secret_key"): StoredField(accepted=[StoredVersion(2, b"new", Secret("new"))])})
    assert secrets(book, "doku", "secret_key") == ["old", "new"]
    assert secrets(book, "doku", TOKEN_KEY) == before
    assert TOKEN_KEY not in book["mock"]
    assert {item.field for item in book.environment_secrets()} == {"secret", "secret_key"}

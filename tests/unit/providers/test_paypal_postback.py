"""PayPal's API as the verifier: what is asked, what is never asked, and what its answers let in."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.postback import Answer, Question, with_answer
from tenrusl.providers.schemes.paypal_postback import read_answer
from tenrusl.providers.types import Credentials, Headers, SecretVersion, Webhook
from tenrusl.secret import Secret
from tenrusl.simulator import sign_webhook, simulated_credentials

PAYPAL = PROVIDERS["paypal"]
NOW = 1_785_000_000.0
# Written as no encoder would write it, so that encoding anew would show.
BODY = b'{ "id":"WH-1",\n "event_type":"PAYMENT.CAPTURE.COMPLETED", "resource":{"amount":{"value":"1.50"}}, "x":1e2 }'
SIGNER = simulated_credentials(PAYPAL, random.Random(1))
DAY = 86_400


def _credentials(mode: str, **fields: str) -> Credentials:
    added = {"verification": mode, "client_id": "id", "client_secret": "secret"} | fields
    return Credentials(
        dict(SIGNER.fields) | {name: (SecretVersion("current", Secret(text)),) for name, text in added.items() if text}
    )


def _webhook(body: bytes = BODY, headers: dict[str, str] | None = None) -> Webhook:
    """Signed, and then with other headers; an empty one is left out."""
    given = dict(sign_webhook(PAYPAL, body, SIGNER, NOW).headers) | (headers or {})
    items = [(name, value) for name, value in given.items() if value]
    return Webhook(method="POST", path="/", headers=Headers(items), body=body)


def _questions(webhook: Webhook, credentials: Credentials, now: float = NOW) -> tuple[Question, ...]:
    assert PAYPAL.questions is not None
    return tuple(PAYPAL.questions(webhook, credentials, now))


def _reason(webhook: Webhook, credentials: Credentials, now: float = NOW) -> Reason | None:
    return PAYPAL.verify(webhook, credentials, now).reason


def test_offline_asks_nothing() -> None:
    assert _questions(_webhook(), _credentials("offline")) == ()
    assert _questions(_webhook(), SIGNER) == ()
    assert _reason(_webhook(), _credentials("offline")) is None


@pytest.mark.parametrize("mode", ["postback", "both"])
def test_the_question_holds_the_headers_our_id_and_the_raw_body(mode: str) -> None:
    webhook, credentials = _webhook(), _credentials(mode)
    (question,) = _questions(webhook, credentials)
    assert (question.host, question.path) == ("api-m.paypal.com", "/v1/notifications/verify-webhook-signature")
    assert question.token_path == "/v1/oauth2/token"
    assert question.is_proven == (mode == "both")
    assert question.body.endswith(b'"webhook_event":' + BODY + b"}")
    asked = json.loads(question.body)
    assert asked.pop("webhook_event") == json.loads(BODY)
    assert asked == {
        "auth_algo": "SHA256withRSA",
        "cert_url": webhook.headers.get("paypal-cert-url"),
        "transmission_id": webhook.headers.get("paypal-transmission-id"),
        "transmission_sig": webhook.headers.get("paypal-transmission-sig"),
        "transmission_time": webhook.headers.get("paypal-transmission-time"),
        "webhook_id": SIGNER.versions("webhook_id")[0].secret.reveal(),
    }


@pytest.mark.parametrize("mode", ["postback", "both"])
def test_only_a_yes_lets_a_webhook_in(mode: str) -> None:
    webhook, credentials = _webhook(), _credentials(mode)
    (question,) = _questions(webhook, credentials)
    assert _reason(webhook, credentials) is Reason.VERIFICATION_UNAVAILABLE
    assert _reason(webhook, with_answer(credentials, question, Answer.UNCLEAR)) is Reason.VERIFICATION_UNAVAILABLE
    assert _reason(webhook, with_answer(credentials, question, Answer.FORGED)) is Reason.VERIFICATION_FAILED
    verdict = PAYPAL.verify(webhook, with_answer(credentials, question, Answer.AUTHENTIC), NOW)
    assert (verdict.reason, verdict.version) == (None, "current")


def test_a_yes_does_not_make_up_for_our_own_no() -> None:
    credentials = _credentials("both")
    (question,) = _questions(_webhook(), credentials)
    answered = with_answer(credentials, question, Answer.AUTHENTIC)
    forged = _webhook(headers={"Paypal-Transmission-Sig": "AAAA"})
    assert _reason(forged, answered) is Reason.SIGNATURE_MISMATCH
    assert _questions(forged, credentials) == ()


def test_without_our_own_check_each_webhook_id_is_asked_about() -> None:
    versions = (SecretVersion("current", Secret("OLD")), SecretVersion("next", Secret("NEW")))
    credentials = Credentials(dict(_credentials("postback").fields) | {"webhook_id": versions})
    questions = _questions(_webhook(), credentials)
    assert [(q.version, json.loads(q.body)["webhook_id"]) for q in questions] == [("current", "OLD"), ("next", "NEW")]
    verdict = PAYPAL.verify(_webhook(), with_answer(credentials, questions[1], Answer.AUTHENTIC), NOW)
    assert verdict.version == "next"


def test_with_our_own_check_only_the_signed_webhook_id_is_asked_about() -> None:
    own = SIGNER.versions("webhook_id")[0].secret
    versions = (SecretVersion("current", Secret("OTHER")), SecretVersion("next", own))
    credentials = Credentials(dict(_credentials("both").fields) | {"webhook_id": versions})
    assert [question.version for question in _questions(_webhook(), credentials)] == ["next"]


FORGED_ON_ITS_FACE = {
    "no signature": ({"Paypal-Transmission-Sig": ""}, Reason.SIGNATURE_MISSING),
    "no id": ({"Paypal-Transmission-Id": ""}, Reason.SIGNATURE_MISSING),
    "no time": ({"Paypal-Transmission-Time": ""}, Reason.SIGNATURE_MISSING),
    "no algorithm": ({"Paypal-Auth-Algo": ""}, Reason.SIGNATURE_MISSING),
    "no address": ({"Paypal-Cert-Url": ""}, Reason.SIGNATURE_MISSING),
    "another algorithm": ({"Paypal-Auth-Algo": "SHA1withRSA"}, Reason.SIGNATURE_MALFORMED),
    "an id with the separator": ({"Paypal-Transmission-Id": "a|b"}, Reason.SIGNATURE_MALFORMED),
    "an id of 200 characters": ({"Paypal-Transmission-Id": "a" * 200}, Reason.SIGNATURE_MALFORMED),
    "a signature that is no base64": ({"Paypal-Transmission-Sig": "A" * 343}, Reason.SIGNATURE_MALFORMED),
    "another host": (
        {"Paypal-Cert-Url": "https://evil.example/v1/notifications/certs/CERT-1"}, Reason.KEY_URL_NOT_ALLOWED,
    ),
    "an old time": ({"Paypal-Transmission-Time": "2020-01-01T00:00:00Z"}, Reason.TIMESTAMP_STALE),
    "a time far ahead": ({"Paypal-Transmission-Time": "9999-01-01T00:00:00Z"}, Reason.TIMESTAMP_IN_FUTURE),
}  # fmt: skip


@pytest.mark.parametrize(("headers", "reason"), FORGED_ON_ITS_FACE.values(), ids=FORGED_ON_ITS_FACE)
def test_a_forgery_on_its_face_costs_no_question(headers: dict[str, str], reason: Reason) -> None:
    webhook, credentials = _webhook(headers=headers), _credentials("postback")
    assert _questions(webhook, credentials) == ()
    assert _reason(webhook, credentials) is reason


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'"x"', b"{", b'{},"webhook_id":"OTHER"', b'{}} , {"x":{}', b'{"a":1,"a":2}', b"\xff{}"]
)
def test_a_body_that_is_not_one_object_is_never_spliced(body: bytes) -> None:
    for mode in ("postback", "both"):
        assert _questions(_webhook(body), _credentials(mode)) == ()
        assert _reason(_webhook(body), _credentials(mode)) is Reason.BODY_MALFORMED


@pytest.mark.parametrize("missing", ["client_id", "client_secret"])
def test_without_a_client_nothing_is_asked_and_nobody_let_in(missing: str) -> None:
    credentials = _credentials("postback", **{missing: ""})
    assert _questions(_webhook(), credentials) == ()
    assert _reason(_webhook(), credentials) is Reason.CREDENTIALS_MISSING


@pytest.mark.parametrize("fields", [{"verification": "of"}, {"api_host": "evil.example"}])
def test_what_cannot_be_read_lets_nobody_in(fields: dict[str, str]) -> None:
    credentials = _credentials(**({"mode": "postback"} | {k: v for k, v in fields.items() if k != "verification"}))
    if "verification" in fields:
        credentials = _credentials(fields["verification"])
        assert _reason(_webhook(), credentials) is Reason.CREDENTIALS_MISSING
    assert _questions(_webhook(), credentials) == ()
    assert not PAYPAL.verify(_webhook(), credentials, NOW).valid


def test_postback_needs_no_certificate() -> None:
    assert PAYPAL.key_needed is not None
    without = Credentials({k: v for k, v in _credentials("postback").fields.items() if k != "cert_pem"})
    assert PAYPAL.key_needed(_webhook(), without) is None
    assert len(_questions(_webhook(), without)) == 1


def test_the_sandboxs_api_may_be_configured_and_a_second_secret() -> None:
    credentials = _credentials("postback", api_host="api-m.sandbox.paypal.com")
    secrets = (SecretVersion("current", Secret("one")), SecretVersion("next", Secret("two")))
    (question,) = _questions(_webhook(), Credentials(dict(credentials.fields) | {"client_secret": secrets}))
    assert question.host == "api-m.sandbox.paypal.com"
    assert [(c.id.reveal(), c.secret.reveal()) for c in question.clients] == [("id", "one"), ("id", "two")]


def test_an_id_and_its_secret_that_are_both_rotated_are_tried_together() -> None:
    fields = {
        "client_id": (SecretVersion("v1", Secret("old-id")), SecretVersion("v2", Secret("new-id"))),
        "client_secret": (SecretVersion("v3", Secret("old")), SecretVersion("v4", Secret("new"))),
    }
    (question,) = _questions(_webhook(), Credentials(dict(_credentials("postback").fields) | fields))
    pairs = {(client.id.reveal(), client.secret.reveal()) for client in question.clients}
    assert {("old-id", "old"), ("new-id", "new")} <= pairs
    named = {
        name: (SecretVersion("current", old.secret), SecretVersion("next", new.secret))
        for name, (old, new) in fields.items()
    }
    (question,) = _questions(_webhook(), Credentials(dict(_credentials("postback").fields) | named))
    pairs_by_name = [(client.id.reveal(), client.secret.reveal()) for client in question.clients]
    assert pairs_by_name == [("old-id", "old"), ("new-id", "new")]


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (b'{"verification_status":"SUCCESS"}', Answer.AUTHENTIC),
        (b'{"verification_status":"FAILURE","x":1}', Answer.FORGED),
        (b'{"verification_status":"success"}', Answer.UNCLEAR),
        (b'{"verification_status":true}', Answer.UNCLEAR),
        (b'{"verification_status":"FAILURE","verification_status":"SUCCESS"}', Answer.UNCLEAR),
        (b'{"name":"VALIDATION_ERROR"}', Answer.UNCLEAR),
        (b'["SUCCESS"]', Answer.UNCLEAR),
        (b"SUCCESS", Answer.UNCLEAR),
        (b"", Answer.UNCLEAR),
        (b"\xff", Answer.UNCLEAR),
    ],
)
def test_only_two_words_decide(raw: bytes, answer: Answer) -> None:
    assert read_answer(raw) is answer


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.binary(max_size=80), st.text(max_size=40), st.text(max_size=40))
def test_any_request_is_let_in_by_no_mode_without_an_answer(body: bytes, number: str, sig: str) -> None:
    headers = dict(_webhook().headers.items()) | {"Paypal-Transmission-Id": number, "Paypal-Transmission-Sig": sig}
    webhook = Webhook(method="POST", path="/", headers=Headers(list(headers.items())), body=body)
    for mode in ("postback", "both"):
        _questions(webhook, _credentials(mode))
        assert not PAYPAL.verify(webhook, _credentials(mode), NOW).valid

"""The demo judges: every difference makes a line wrong, and a wrong line makes the demo fail."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tenrusl.clock import SystemClock
from tenrusl.errors import Reason
from tenrusl.local import demo as demo_module
from tenrusl.local import demo_provider
from tenrusl.local.demo import demo
from tenrusl.local.demo_lines import DEMO_PROVIDERS, Act, Expected, Request, Step
from tenrusl.local.demo_observer import Observed
from tenrusl.local.demo_steps import demo_steps
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Outcome, Reply
from tenrusl.simulator import simulated_credentials
from tenrusl.simulator.requests import SimulatedRequest

_ACCEPTED = PROVIDERS["mock"].replies[Outcome.ACCEPTED]
_EXPECTED = Expected(answer=202, reply=_ACCEPTED, event=("processed", 1, 1), payment=PaymentStatus.SUCCEEDED)
_RIGHT = Observed(reply=_ACCEPTED, event=("processed", 1, 1), payment="succeeded")
_HTTP = SimulatedRequest(provider="mock", method="POST", target="/api/webhooks/mock", headers={}, body=b"{}")
_REQUEST = Request(http=_HTTP, reference="pay_1", event_id="evt_1")


def test_a_line_that_is_as_expected_is_right() -> None:
    assert _RIGHT.fulfils(_EXPECTED)


@pytest.mark.parametrize(
    "seen",
    [
        Observed(reply=Reply(200, _ACCEPTED.body, _ACCEPTED.content_type), event=_RIGHT.event, payment="succeeded"),
        Observed(reply=Reply(202, b"{}", _ACCEPTED.content_type), event=_RIGHT.event, payment="succeeded"),
        Observed(reply=Reply(202, _ACCEPTED.body, "text/plain"), event=_RIGHT.event, payment="succeeded"),
        Observed(reply=_ACCEPTED, event=("failed", 1, 1), payment="succeeded"),
        Observed(reply=_ACCEPTED, event=("processed", 2, 1), payment="succeeded"),
        Observed(reply=_ACCEPTED, event=("processed", 1, 2), payment="succeeded"),
        Observed(reply=_ACCEPTED, event=None, payment="succeeded"),
        Observed(reply=_ACCEPTED, event=_RIGHT.event, payment="pending"),
        Observed(reply=_ACCEPTED, event=_RIGHT.event, payment=None),
    ],
)
def test_every_difference_makes_a_line_wrong(seen: Observed) -> None:
    assert not seen.fulfils(_EXPECTED)


def test_a_refusal_is_judged_by_its_status() -> None:
    refused = Expected(answer=401, event=None, payment=None)
    assert Observed(reply=Reply(401, b"whatever", "text/plain"), event=None, payment=None).fulfils(refused)
    assert not Observed(reply=Reply(400, b"", None), event=None, payment=None).fulfils(refused)


def test_an_operators_word_has_no_answer() -> None:
    expected = Expected(answer=None, event=("processed", 2, 1), payment=PaymentStatus.SUCCEEDED)
    assert Observed(reply=None, event=("processed", 2, 1), payment="succeeded").fulfils(expected)
    assert not Observed(reply=_ACCEPTED, event=("processed", 2, 1), payment="succeeded").fulfils(expected)
    assert not Observed(reply=None, event=("processed", 2, 1), payment="succeeded").fulfils(_EXPECTED)


def test_the_steps_show_every_provider_and_their_authentic_ones_are_what_a_verifier_accepts(tmp_path: Path) -> None:
    declared, _ = demo_provider.declare(tmp_path, random.Random(1))
    credentials = {name: simulated_credentials(provider, random.Random(1)) for name, provider in PROVIDERS.items()}
    credentials["acme"] = declared
    shown: dict[str, set[int | None]] = {}
    schemes: set[tuple[str, str]] = set()
    clock = SystemClock()
    for step in demo_steps(credentials, clock):
        http = step.request.http
        shown.setdefault(http.provider, set()).add(step.expected.answer)
        provider, now = DEMO_PROVIDERS.get(http.provider), clock.now().timestamp()
        if provider is None or step.act is not Act.SEND or step.expected.answer == 405:
            continue
        source = http.headers.get("X-Forwarded-For", "127.0.0.1")
        webhook, known = http.webhook(source_ip=source), credentials[http.provider]
        reason = provider.verify(webhook, known, now).reason
        assert reason is not Reason.CREDENTIALS_MISSING
        assert (reason is None) == (step.expected.event is not None or step.what in _REFUSED_LATER), step.what
        if step.expected.event is not None:
            schemes.add((provider.name, provider.scheme_of(webhook, known).name))
        if step.learn is not None:
            assert provider.handshake is not None
            reply = provider.handshake(webhook, known, now)
            assert reply is not None
            step.learn(reply)
    assert set(shown) == {*PROVIDERS, "acme", "nobody"}
    assert all({200, 401} <= answers for name, answers in shown.items() if name != "nobody")
    assert {(name, provider.schemes[-1].name) for name, provider in DEMO_PROVIDERS.items()} | _OTHERS == schemes


# What a verifier does not ask for, or takes for authentic.
_REFUSED_LATER = {
    "text/plain",
    "cut off JSON, signed",
    "SNAP: asks for a token",
    "its headers, a body of the same CRC",
}
_OTHERS = {
    ("doku", "snap_symmetric"),
    ("doku", "snap_rsa"),
    ("midtrans", "iris"),
    ("midtrans", "snap_rsa"),
    ("paddle", "classic_rsa"),
    ("payoneer", "url_token"),
    ("standardwebhooks", "svix"),
}


class _NothingStarts:
    """Stands for the stack and its observer."""

    signers: Mapping[str, Credentials] = {}

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> _NothingStarts:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("payment", ["succeeded", "pending"])
def test_one_wrong_line_fails_the_demo_and_keeps_the_logs(
    payment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = (Step(what="pending", request=_REQUEST, expected=_EXPECTED), _RIGHT)
    other = (right[0], Observed(reply=_ACCEPTED, event=("processed", 1, 1), payment=payment))
    monkeypatch.setattr(demo_module, "Stack", _NothingStarts)
    monkeypatch.setattr(demo_module, "Observer", _NothingStarts)
    monkeypatch.setattr(demo_module, "_do_all", lambda *_: [right, other])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    is_right = payment == "succeeded"
    assert demo(environ={}) is is_right
    printed = capsys.readouterr().out
    assert ("WRONG" in printed) is not is_right
    assert ("must be 202" in printed) is not is_right
    assert len(list(tmp_path.iterdir())) == (0 if is_right else 1)

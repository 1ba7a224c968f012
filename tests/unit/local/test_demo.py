"""The demo judges: every difference makes a line wrong, and a wrong line makes the demo fail."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest

from tenrusl.clock import SystemClock
from tenrusl.errors import Reason
from tenrusl.local import demo as demo_module
from tenrusl.local.demo import Observed, demo
from tenrusl.local.demo_steps import Expected, Request, Step, demo_steps
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Outcome, Reply
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


def test_the_steps_show_every_provider_and_their_authentic_ones_are_what_a_verifier_accepts() -> None:
    credentials = {name: simulated_credentials(provider, random.Random(1)) for name, provider in PROVIDERS.items()}
    shown: dict[str, set[int]] = {}
    clock = SystemClock()
    for step in demo_steps(credentials, clock):
        http = step.request.http
        shown.setdefault(http.provider, set()).add(step.expected.answer)
        provider = PROVIDERS.get(http.provider)
        if provider is None or step.expected.answer == 405:
            continue
        source = http.headers.get("X-Forwarded-For", "127.0.0.1")
        reason = provider.verify(
            http.webhook(source_ip=source), credentials[http.provider], clock.now().timestamp()
        ).reason
        unreadable = step.expected.answer in (400, 415)  # a verifier does not ask for these
        assert (reason is None) == (unreadable or step.expected.event is not None), step.what
        assert reason is not Reason.CREDENTIALS_MISSING
    assert set(shown) == {*PROVIDERS, "nobody"}
    assert all({200, 401} <= answers for name, answers in shown.items() if name != "nobody")


class _NothingStarts:
    """Stands for the stack and its observer."""

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
    monkeypatch.setattr(demo_module, "_Observer", _NothingStarts)
    monkeypatch.setattr(demo_module, "_send_all", lambda *_: [right, other])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    is_right = payment == "succeeded"
    assert demo(environ={}) is is_right
    printed = capsys.readouterr().out
    assert ("WRONG" in printed) is not is_right
    assert ("must be 202" in printed) is not is_right
    assert len(list(tmp_path.iterdir())) == (0 if is_right else 1)

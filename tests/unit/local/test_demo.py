"""The demo judges: every difference makes a line wrong, and a wrong line makes the demo fail."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tenrusl.local import demo as demo_module
from tenrusl.local.demo import Observed, demo
from tenrusl.local.demo_steps import Expected, Request, Step
from tenrusl.payments import PaymentStatus

_EXPECTED = Expected(answer=202, event=("processed", 1, 1), payment=PaymentStatus.SUCCEEDED)
_REQUEST = Request(provider="mock", headers={}, body=b"{}", payment_ref="pay_1", event_id="evt_1")


def test_a_line_that_is_as_expected_is_right() -> None:
    assert Observed(answer=202, event=("processed", 1, 1), payment="succeeded").fulfils(_EXPECTED)


@pytest.mark.parametrize(
    "seen",
    [
        Observed(answer=200, event=("processed", 1, 1), payment="succeeded"),
        Observed(answer=202, event=("failed", 1, 1), payment="succeeded"),
        Observed(answer=202, event=("processed", 2, 1), payment="succeeded"),
        Observed(answer=202, event=("processed", 1, 2), payment="succeeded"),
        Observed(answer=202, event=None, payment="succeeded"),
        Observed(answer=202, event=("processed", 1, 1), payment="pending"),
        Observed(answer=202, event=("processed", 1, 1), payment=None),
    ],
)
def test_every_difference_makes_a_line_wrong(seen: Observed) -> None:
    assert not seen.fulfils(_EXPECTED)


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
    right = (
        Step(what="pending", request=_REQUEST, expected=_EXPECTED),
        Observed(answer=202, event=("processed", 1, 1), payment="succeeded"),
    )
    other = (right[0], Observed(answer=202, event=("processed", 1, 1), payment=payment))
    monkeypatch.setattr(demo_module, "Stack", _NothingStarts)
    monkeypatch.setattr(demo_module, "_Observer", _NothingStarts)
    monkeypatch.setattr(demo_module, "_send_all", lambda *_: [right, other])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    is_right = payment == "succeeded"
    assert demo(environ={}) is is_right
    printed = capsys.readouterr().out
    assert ("WRONG" in printed) is not is_right
    assert len(list(tmp_path.iterdir())) == (0 if is_right else 1)

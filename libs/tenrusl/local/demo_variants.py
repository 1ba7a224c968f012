"""Further interfaces of providers in `make demo`: other ways to sign, and what only one provider has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import parse_qs, quote, urlsplit

from tenrusl.local.demo_lines import ONCE, Expected, Request, Step, refused, stored
from tenrusl.local.demo_sender import Sender
from tenrusl.payments import PaymentStatus

_S = PaymentStatus
_SNAP_TOKEN, _SNAP, _SNAP_RSA = "snap_token_request", "snap_symmetric", "snap_rsa"


def _stripe(sender: Sender) -> Iterator[Step]:
    refund = sender.request(sender.event("stripe", "1", _S.REFUNDED))
    yield stored("refund of the first payment", refund, ONCE, _S.REFUNDED)


def _doku(sender: Sender) -> Iterator[Step]:
    """SNAP: DOKU asks for a token, and signs with it what it sends."""
    asked = sender.event("doku", "token", _S.SUCCEEDED, scheme=_SNAP_TOKEN)
    yield refused("SNAP: asks for a token, wrong key", sender.request(asked, forged=True))
    yield Step(
        what="SNAP: asks for a token",
        request=sender.request(asked),
        expected=Expected(answer=200, event=None, payment=None),  # the token is another one each time
        learn=sender.take_token,
    )
    account = sender.event("doku", "va", _S.SUCCEEDED, scheme=_SNAP)
    yield refused("SNAP: a token that we never gave", sender.request(account, access_token="made-up"))  # noqa: S106
    raised = sender.changed(sender.request(account, access_token=sender.token))
    yield refused("SNAP: amount changed", raised)
    yield stored(
        "SNAP: account paid, our token", sender.request(account, access_token=sender.token), ONCE, _S.SUCCEEDED
    )
    again = sender.request(account, access_token=sender.token)
    yield stored("SNAP: the same again", again, ("processed", 1, 2), _S.SUCCEEDED, again=True)
    yield from _pair(sender, "doku", _SNAP_RSA, "SNAP, RSA")


def _midtrans(sender: Sender) -> Iterator[Step]:
    yield from _pair(sender, "midtrans", _SNAP_RSA, "SNAP")
    payout = sender.event("midtrans", "payout", _S.SUCCEEDED, scheme="iris")
    yield refused("Iris: amount changed", sender.changed(sender.request(payout)))
    yield refused("Iris: wrong key", sender.request(payout, forged=True))
    yield stored("Iris: a payout, moves no payment", sender.request(payout), ONCE, None)


def _paddle(sender: Sender) -> Iterator[Step]:
    yield from _pair(sender, "paddle", "classic_rsa", "Classic", late=_S.REFUNDED, early=_S.SUCCEEDED)


def _payoneer(sender: Sender) -> Iterator[Step]:
    """A token in the address, in place of the header."""
    early = sender.event("payoneer", "token", _S.PENDING, minutes_ago=9, by_query=True, scheme="url_token")
    late = sender.event("payoneer", "token", _S.SUCCEEDED, scheme="url_token")
    other = sender.event("payoneer", "other", _S.SUCCEEDED, scheme="url_token")
    yield stored("token in the query (by GET)", sender.request(early), ONCE, _S.PENDING)
    yield stored("token in the query (by POST)", sender.request(late), ONCE, _S.SUCCEEDED)
    in_path = _with_token_in_path(sender.request(late))
    yield stored("the same again, token in the path", in_path, ("processed", 1, 2), _S.SUCCEEDED, again=True)
    yield refused("a wrong token in the query", sender.request(other, forged=True))
    yield refused("a wrong token in the path", _with_token_in_path(sender.request(other, forged=True)))


def _with_token_in_path(request: Request) -> Request:
    parts = urlsplit(request.http.target)
    token = parse_qs(parts.query)["token"][0]
    return replace(request, http=replace(request.http, target=f"{parts.path}/{quote(token, safe='')}"))


def _paypal(sender: Sender) -> Iterator[Step]:
    """PayPal signs a checksum of the body, so a transmission is good for one body only."""
    paid = sender.request(sender.event("paypal", "7", _S.SUCCEEDED))
    other = sender.event("paypal", "8", _S.SUCCEEDED)
    yield stored("succeeded, of a third payment", paid, ONCE, _S.SUCCEEDED)
    yield refused("its headers, a body of the same CRC", sender.collision(paid, other))
    yield stored("the transmission again", paid, ("processed", 1, 2), _S.SUCCEEDED, again=True)


def _standardwebhooks(sender: Sender) -> Iterator[Step]:
    yield from _pair(sender, "standardwebhooks", "standard", "v1a alone", without="secret")
    yield from _pair(sender, "standardwebhooks", "svix", "Svix' headers")


def _pair(
    sender: Sender,
    provider: str,
    scheme: str,
    name: str,
    *,
    early: PaymentStatus = _S.PENDING,
    late: PaymentStatus = _S.SUCCEEDED,
    without: str = "",
) -> Iterator[Step]:
    """Two events of a payment by another scheme, and what is refused there."""
    payment = f"{scheme}{without}"
    first = sender.event(provider, payment, early, minutes_ago=9, scheme=scheme)
    second = sender.event(provider, payment, late, scheme=scheme)
    yield refused(f"{name}: wrong key", sender.request(first, forged=True, without=without))
    yield stored(f"{name}: {early}", sender.request(first, without=without), ONCE, early)
    changed = sender.changed(sender.request(second, without=without))
    yield refused(f"{name}: amount changed", changed, payment=early)
    yield stored(f"{name}: {late}", sender.request(second, without=without), ONCE, late)


# By provider; they come after what every provider shows.
VARIANTS: Mapping[str, Callable[[Sender], Iterator[Step]]] = {
    "doku": _doku,
    "midtrans": _midtrans,
    "paddle": _paddle,
    "payoneer": _payoneer,
    "paypal": _paypal,
    "standardwebhooks": _standardwebhooks,
    "stripe": _stripe,
}

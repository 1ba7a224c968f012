"""The traffic: signed webhooks of about 1 KB in Stripe's form, made before the clock starts."""

import hashlib
import hmac
import random
from collections.abc import Sequence
from dataclasses import dataclass

# The size of Stripe's own payment events differs with the metadata; this is a usual one.
BODY_BYTES = 1024
STRIPE = "stripe"
# How many webhooks ago the original of a repeated one was sent, at most: some repeats meet it under way.
MAX_REPEAT_DISTANCE = 2000

_BODY = (
    '{"id":"%s","object":"event","api_version":"2024-06-20","created":%d,"type":"payment_intent.succeeded",'
    '"livemode":false,"pending_webhooks":1,"request":{"id":"req_%s","idempotency_key":"%s"},"data":{"object":'
    '{"id":"pi_%s","object":"payment_intent","amount":%d,"amount_received":%d,"currency":"usd",'
    '"status":"succeeded","payment_method_types":["card"],"metadata":{"order_id":"order_%s","note":"%s"}}}}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One payment event. `name` is its event id without `evt_`, unique over all rounds.

    body_bytes: at least 512.
    """

    name: str
    created: int
    body_bytes: int = BODY_BYTES

    @property
    def event_id(self) -> str:
        return f"evt_{self.name}"

    @property
    def body(self) -> bytes:
        """JSON of exactly `body_bytes` bytes; a payment of its own for each event. Raises ValueError: no room."""
        name = self.name
        amount = 100 + len(name)
        parts = (self.event_id, self.created, name, name, name, amount, amount, name)
        room = self.body_bytes - len(_BODY % (*parts, ""))
        if room < 0:
            raise ValueError(f"{self.body_bytes} bytes are too few for {name}")
        note = "x" * room
        return (_BODY % (*parts, note)).encode()


def signed_request(webhook: Webhook, *, path: str, host: str, secret: str, timestamp: int) -> bytes:
    """The whole HTTP/1.1 request.

    Stripe-Signature as in https://docs.stripe.com/webhooks#verify-manually: HMAC-SHA256 of
    `timestamp.body` (timestamp in Unix seconds) under the endpoint's secret, in hex.
    """
    body = webhook.body
    signature = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Stripe/1.0\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nStripe-Signature: t={timestamp},v1={signature}\r\n\r\n"
    )
    return head.encode() + body


def deliveries(count: int, *, repeat_share: float, seed: int) -> Sequence[int]:
    """Which event each of `count` webhooks carries, events numbered from 0 in the order of their first delivery.

    repeat_share: the part from 0 to 1 that repeats one of the MAX_REPEAT_DISTANCE webhooks before it.
    """
    if not repeat_share:
        return range(count)
    choose = random.Random(seed)
    order: list[int] = []
    fresh = 0
    for _ in range(count):
        if order and choose.random() < repeat_share:
            order.append(order[-choose.randint(1, min(len(order), MAX_REPEAT_DISTANCE))])
        else:
            order.append(fresh)
            fresh += 1
    return order

"""OY: source addresses behind trusted proxies, and five products without a name."""

from datetime import datetime
from typing import Any

import pytest

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Headers, Webhook
from tests.unit.providers.webhook_requests import credentials_of, json_request, request

OY = PROVIDERS["oy"]
S = PaymentStatus
ALLOWED = "54.151.191.85, 54.179.86.72"
DIRECT = credentials_of(allowed_ips=ALLOWED)
BEHIND = credentials_of(allowed_ips=ALLOWED, trusted_proxies="10.0.0.0/8 2001:db8::/32")
TWO = "54.151.191.85", "54.179.86.72"


@pytest.mark.parametrize(
    ("peer", "forwarded", "valid"),
    [
        (TWO[0], None, True),
        (f"::ffff:{TWO[1]}", None, True),
        (TWO[0], "203.0.113.9", True),  # no proxy is trusted that is not listed
        ("203.0.113.9", TWO[0], False),
        ("10.1.2.3", TWO[0], True),
        ("10.1.2.3", f"203.0.113.9, {TWO[0]}", True),
        ("10.1.2.3", f"{TWO[0]}, 203.0.113.9", False),
        ("10.1.2.3", f"{TWO[0]},10.9.9.9 , 10.8.8.8", True),
        ("2001:db8::1", TWO[0], True),
        ("10.1.2.3", None, False),
        ("10.1.2.3", "", False),
        ("10.1.2.3", "unknown", False),
        # With the port besides, as some load balancers write it.
        ("10.1.2.3", f"{TWO[0]}:443", True),
        ("10.1.2.3", f"{TWO[0]}:443, [2001:db8::2]:8080, [2001:db8::3]", True),
        ("10.1.2.3", f"{TWO[0]}, 203.0.113.9:443", False),
        ("10.1.2.3", f"{TWO[0]}:443:443", False),
        ("10.1.2.3", f"{TWO[0]}:", False),
        ("10.1.2.3", f"::ffff:{TWO[0]}", True),
        (f"{TWO[0]}:443", None, False),  # the peer's address never has one
        ("", TWO[0], False),
        ("not an address", None, False),
    ],
)
def test_the_last_address_that_is_no_trusted_proxys_counts(peer: str, forwarded: str | None, valid: bool) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    verdict = OY.verify(request(b"{}", headers, source_ip=peer), BEHIND, 0)
    assert verdict.reason is (None if valid else Reason.SOURCE_NOT_ALLOWED)
    assert not (valid and verdict.body_covered)


def test_several_lines_of_the_header_are_one_list() -> None:
    headers = Headers([("X-Forwarded-For", TWO[0]), ("x-forwarded-for", "203.0.113.9")])
    webhook = Webhook(method="POST", path="/", headers=headers, body=b"{}", source_ip="10.1.2.3")
    assert OY.verify(webhook, BEHIND, 0).reason is Reason.SOURCE_NOT_ALLOWED


@pytest.mark.parametrize("allowed", [" ", ",", "nowhere", "54.151.191.85/8", "54.151.191.85, x"])
def test_a_list_that_cannot_be_read_lets_nobody_in(allowed: str) -> None:
    verdict = OY.verify(request(b"{}", source_ip=TWO[0]), credentials_of(allowed_ips=allowed), 0)
    assert verdict.reason is Reason.CREDENTIALS_MISSING


def test_the_invented_signature_is_off_until_its_secret_is_configured() -> None:
    webhook = request(b"{}", {"X-OY-Signature": "0" * 64}, source_ip=TWO[0])
    assert OY.verify(webhook, DIRECT, 0).valid
    assert OY.verify(webhook, credentials_of(callback_secret="s"), 0).reason is Reason.SIGNATURE_MISMATCH


@pytest.mark.parametrize(
    ("document", "status", "key", "event_type"),
    [
        ({"va_number": "1", "trx_id": "t", "success": True}, S.SUCCEEDED, "va:t", "va_aggregator"),
        ({"va_number": "1", "trx_id": "t", "success": False}, None, "va:t", "va_aggregator"),
        (
            {"ewallet_code": "dana_ewallet", "trx_id": "t", "success": True, "settlement_status": "WAITING"},
            S.SUCCEEDED,
            "ewallet:t:WAITING",
            "ewallet_aggregator",
        ),
        ({"tx_ref_number": "t", "status": "expired"}, S.EXPIRED, "link:t:expired", "payment_link"),
        (
            {"tx_ref_number": "t", "status": "charge_in_progress"},
            S.PENDING,
            "link:t:charge_in_progress",
            "payment_link",
        ),
        ({"tx_ref_number": "t", "status": "odd", "success": True}, None, "link:t:odd", "payment_link"),
        ({"refund_id": "t", "refund_status": "FAILED", "success": True}, None, "refund:t:FAILED", "ewallet_refund"),
        ({"trx_id": "t", "status": {"code": "000"}}, S.SUCCEEDED, "remit:t:000", "disbursement"),
        ({"trx_id": "t", "status": {"code": "999"}}, None, "remit:t:999", "disbursement"),
    ],
)
def test_a_product_is_told_by_its_fields(
    document: dict[str, Any], status: PaymentStatus | None, key: str, event_type: str
) -> None:
    event = OY.extract(json_request(document))
    assert (event.payment_status, event.event_id, event.event_type) == (status, key, event_type)


@pytest.mark.parametrize(
    ("document", "time"),
    [
        ({"trx_id": "t", "va_number": "1", "tx_date": "31/01/2020T01:01:01.000+0700"}, "2020-01-30T18:01:01Z"),
        (
            {"tx_ref_number": "t", "status": "failed", "updated": "2020-09-29T20:59:08"},
            "2020-09-29T13:59:08Z",
        ),
        (
            {"trx_id": "t", "status": {"code": "000"}, "timestamp": "11-12-2023 05:07:20"},
            "2023-12-11T05:07:20Z",
        ),
    ],
)
def test_each_product_writes_times_in_its_own_way(document: dict[str, Any], time: str) -> None:
    assert OY.extract(json_request(document)).occurred_at == datetime.fromisoformat(time)

"""The channel that every client of our services uses."""

import json
from collections.abc import Sequence
from typing import Any

import grpc
from grpc import aio

from tenrusl.observability import traces
from tenrusl.rpc.server import MAX_MESSAGE_BYTES
from tenrusl.rpc.tls_channel import TlsChannel
from tenrusl.tls_files import TlsFiles

# The only retries in TenRusl's calls: methods that may be called twice, and only when no server took the call (one that
# did says so, see interceptors.with_errors). AcceptWebhooks stores an event once however often it comes; so a replica
# that is just stopping fails nothing. ProcessEvents is repeated by the schedule, which backs off.
_RETRIED = (
    {"service": "tenrusl.api.ingress.v1.IngressService", "method": "AcceptWebhooks"},
    {"service": "tenrusl.api.admin.v1.BacklogService", "method": "GetBacklog"},
    {"service": "tenrusl.api.admin.v1.BacklogService", "method": "ListEvents"},
    {"service": "tenrusl.api.admin.v1.PaymentsService", "method": "ListPayments"},
    {"service": "grpc.health.v1.Health", "method": "Check"},
    {"service": "tenrusl.api.ingress.v1.ThrottleFeedService", "method": "GetThrottles"},
    {"service": "tenrusl.api.processor.v1.ProcessorService", "method": "LookUpEvents"},
    {"service": "tenrusl.api.processor.v1.PaymentService", "method": "GetPayment"},
    {"service": "tenrusl.api.processor.v1.PaymentService", "method": "GetPaymentByReference"},
    {"service": "tenrusl.api.processor.v1.PaymentService", "method": "ListPayments"},
)
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": list(_RETRIED),
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    # A server that is down costs at most half as many retries as calls.
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.5},
}
_OPTIONS = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),  # finds a dead peer before the next call does
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),  # a restarted server has its callers back within two seconds
    ("grpc.enable_http_proxy", 0),  # internal calls never leave through http_proxy
    ("grpc.use_local_subchannel_pool", 1),
)


Metadata = Sequence[tuple[str, str]]


def build_channel(target: str, *, tls: TlsFiles | None = None, metadata: Metadata = ()) -> aio.Channel:
    """A channel to `target`, e.g. "dns:///ingress:50051": round robin over its addresses. Connects by itself.

    tls: None for plaintext; else the server's certificate must have the host of `target` in it (an address: as an IP
    address). metadata: sent with every call; so is, while tracing is on, where the current span stands. Call it inside
    a running event loop, and close it. Raises SettingsError.
    """
    interceptors: list[aio.ClientInterceptor] | None = None
    if metadata or traces.enabled():
        interceptors = [_UnaryWithMetadata(metadata), _StreamWithMetadata(metadata)]

    def open_channel(credentials: grpc.ChannelCredentials) -> aio.Channel:
        return aio.secure_channel(target, credentials, options=_OPTIONS, interceptors=interceptors)

    if tls is not None:
        return TlsChannel(tls, open_channel)
    return aio.insecure_channel(target, options=_OPTIONS, interceptors=interceptors)


class _WithMetadata:
    """Adds metadata to calls."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def _with(self, details: Any) -> Any:
        added = (*self._metadata, *traces.outgoing_metadata())
        return details._replace(metadata=aio.Metadata(*(details.metadata or ()), *added))


class _UnaryWithMetadata(_WithMetadata, aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._with(client_call_details), request)


class _StreamWithMetadata(_WithMetadata, aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._with(client_call_details), request)

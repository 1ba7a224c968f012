"""When a certificate ends."""

from prometheus_client import CollectorRegistry, Gauge


def certificate_expiry_gauge(registry: CollectorRegistry) -> Gauge:
    """For a process that shows a certificate in gRPC; set it, or have it ask, in Unix time. Once per registry."""
    return Gauge(
        "tenrusl_grpc_certificate_expiry_timestamp_seconds",
        "End of the certificate that this process shows in gRPC, in Unix time; only with TLS",
        registry=registry,
    )

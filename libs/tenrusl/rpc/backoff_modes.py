"""BackoffMode between proto and Python."""

from collections.abc import Mapping

from tenrusl.api.common.v1 import common_pb2
from tenrusl.backoff import BackoffMode

# Unspecified is None: as set.
BACKOFF_MODES: Mapping[common_pb2.BackoffMode, BackoffMode | None] = {
    common_pb2.BACKOFF_MODE_UNSPECIFIED: None,
    common_pb2.BACKOFF_MODE_FULL: BackoffMode.FULL,
    common_pb2.BACKOFF_MODE_EQUAL: BackoffMode.EQUAL,
    common_pb2.BACKOFF_MODE_DECORRELATED: BackoffMode.DECORRELATED,
}

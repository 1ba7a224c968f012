"""Provider traffic that is signed as the providers sign it: for `tenrusl simulate`, the demo and the tests."""

from tenrusl.simulator.keys import simulated_credentials
from tenrusl.simulator.payloads import BUILDERS, build
from tenrusl.simulator.signing import sign_webhook
from tenrusl.simulator.thin_events import build_thin_event

__all__ = ["BUILDERS", "build", "build_thin_event", "sign_webhook", "simulated_credentials"]

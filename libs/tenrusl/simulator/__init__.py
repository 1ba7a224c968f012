"""Provider traffic that is signed as the providers sign it: for the demo, the benchmark and the tests. Pure."""

from tenrusl.simulator.keys import simulated_credentials
from tenrusl.simulator.payloads import BUILDERS, build
from tenrusl.simulator.signing import sign_webhook

__all__ = ["BUILDERS", "build", "sign_webhook", "simulated_credentials"]

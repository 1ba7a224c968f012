"""How long one webhook takes to be verified and read, provider by provider, on one core and without any I/O."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, HashAlgorithm

from benchmarks.samples import BODY_BYTES, NOW, SENDER, Proof, Sample
from tenrusl.providers.types import ExtractedEvent, Reply, Webhook

# What the issue asks for.
BOUND_US = {Proof.SHARED_SECRET: 40.0}
BOUND_US_PUBLIC_KEY = 150.0
BUDGET_NS = 300_000_000
_WARM_UP = 20  # fills the caches of keys, as the first webhooks of a process do
_NS_PER_US = 1000
_RSA_BITS = 2048
_Clock = Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Of one sample, in µs. floor_us: the bare signature check in OpenSSL, None where a digest is compared."""

    sample: str
    proof: Proof
    rounds: int
    median_us: float
    p95_us: float
    floor_us: float | None

    @property
    def bound_us(self) -> float:
        """What the median may be."""
        return BOUND_US.get(self.proof, BOUND_US_PUBLIC_KEY)

    @property
    def holds(self) -> bool:
        return self.median_us <= self.bound_us


def measure_sample(sample: Sample, *, budget_ns: int = BUDGET_NS, clock: _Clock = time.perf_counter_ns) -> Timing:
    """Verifies and reads the sample for `budget_ns`, the bare check in turn with it, and at least once.

    Every round has a webhook of its own: one that was read keeps its document. Making it is not in the time.
    Raises ValueError when the sample is refused, for a refusal would be quick.
    """
    floor = _FLOORS.get(sample.proof)
    bare = None if floor is None else floor()
    for _ in range(_WARM_UP):
        read(sample, received(sample))
    whole: list[int] = []
    floors: list[int] = []
    end = clock() + budget_ns
    while not whole or clock() < end:
        webhook = received(sample)
        began = clock()
        read(sample, webhook)
        whole.append(clock() - began)
        if bare is not None:
            began = clock()
            bare()
            floors.append(clock() - began)
    return Timing(
        sample=sample.name,
        proof=sample.proof,
        rounds=len(whole),
        median_us=statistics.median(whole) / _NS_PER_US,
        p95_us=sorted(whole)[len(whole) * 95 // 100] / _NS_PER_US,
        floor_us=statistics.median(floors) / _NS_PER_US if floors else None,
    )


def received(sample: Sample) -> Webhook:
    """The sample as ingress gets it, with nothing read yet."""
    return sample.request.webhook(source_ip=SENDER)


def read(sample: Sample, webhook: Webhook) -> ExtractedEvent | Reply:
    """What ingress asks of a provider for each webhook. Raises ValueError when it is refused."""
    provider, now = sample.provider, NOW + 1
    verdict = provider.verify(webhook, sample.credentials, now)
    if verdict.reason is not None:
        raise ValueError(f"{sample.name}: {verdict.reason.value}")
    if provider.handshake is not None:
        reply = provider.handshake(webhook, sample.credentials, now)
        if reply is not None:
            return reply
    return provider.extract(webhook)


def verification_table(timings: Sequence[Timing]) -> str:
    """Markdown: one line a sample."""
    lines = [
        "| verify + extract | proof | median µs | 95th percentile µs | bare OpenSSL µs | bound µs | |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for timing in timings:
        floor = "" if timing.floor_us is None else f"{timing.floor_us:.0f}"
        lines.append(
            f"| {timing.sample} | {timing.proof} | {timing.median_us:.1f} | {timing.p95_us:.1f} | {floor} "
            f"| {timing.bound_us:.0f} | {_held(timing)} |"
        )
    return "\n".join(lines)


def verification_verdict(timings: Sequence[Timing]) -> str:
    """One line: how many hold their bound, and who does not."""
    missed = [timing.sample for timing in timings if not timing.holds]
    text = f"{len(timings) - len(missed)} of {len(timings)} within their bound, bodies of about {BODY_BYTES} bytes"
    return f"MISSED  {text}: not {', '.join(missed)}" if missed else f"met     {text}"


def _held(timing: Timing) -> str:
    if timing.holds:
        return "met"
    is_floor = timing.floor_us is not None and timing.floor_us > timing.bound_us
    return "MISSED, the bare check takes more" if is_floor else "MISSED"


def _bare_rsa(algorithm: HashAlgorithm) -> Callable[[], None]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    signature, public = key.sign(_MESSAGE, padding.PKCS1v15(), algorithm), key.public_key()
    return lambda: public.verify(signature, _MESSAGE, padding.PKCS1v15(), algorithm)


def _bare_p384() -> Callable[[], None]:
    key = ec.generate_private_key(ec.SECP384R1())
    signature, public = key.sign(_MESSAGE, ec.ECDSA(SHA384())), key.public_key()
    return lambda: public.verify(signature, _MESSAGE, ec.ECDSA(SHA384()))


def _bare_ed25519() -> Callable[[], None]:
    key = ed25519.Ed25519PrivateKey.generate()
    signature, public = key.sign(_MESSAGE), key.public_key()
    return lambda: public.verify(signature, _MESSAGE)


_MESSAGE = b"m" * BODY_BYTES
_FLOORS: dict[Proof, Callable[[], Callable[[], None]]] = {
    Proof.RSA_SHA256: lambda: _bare_rsa(SHA256()),
    Proof.RSA_SHA1: lambda: _bare_rsa(SHA1()),  # noqa: S303 - what Paddle Classic signs with
    Proof.ECDSA_P384: _bare_p384,
    Proof.ED25519: _bare_ed25519,
}

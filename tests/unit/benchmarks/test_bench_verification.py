"""What is measured of verifying and reading, and what the table says of it."""

import itertools
import json
from collections.abc import Callable

import pytest

from benchmarks.samples import BODY_BYTES, NOW, Proof, Sample, samples
from benchmarks.verification import (
    BOUND_US_PUBLIC_KEY,
    Timing,
    measure_sample,
    read,
    received,
    verification_table,
    verification_verdict,
)
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, ExtractedEvent

SAMPLES = samples()
BY_NAME = {sample.name: sample for sample in SAMPLES}
_RSA_SIGNATURE_BYTES = 400  # in base64, escaped in a form


def scheme_of(sample: Sample) -> str:
    return sample.provider.scheme_of(received(sample), sample.credentials).name


def clock_of(*ticks: int) -> Callable[[], int]:
    return itertools.chain(ticks, itertools.repeat(ticks[-1])).__next__


def timing(name: str, proof: Proof, median_us: float, floor_us: float | None = None) -> Timing:
    return Timing(sample=name, proof=proof, rounds=9, median_us=median_us, p95_us=99.25, floor_us=floor_us)


def test_every_scheme_of_every_built_in_provider_has_a_sample() -> None:
    wanted = {(provider.name, scheme.name) for provider in PROVIDERS.values() for scheme in provider.schemes}
    assert wanted <= {(sample.provider.name, scheme_of(sample)) for sample in SAMPLES}
    assert len(BY_NAME) == len(SAMPLES)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_is_accepted_and_read(sample: Sample) -> None:
    result = read(sample, received(sample))
    if scheme_of(sample) == "snap_token_request":
        assert not isinstance(result, ExtractedEvent)
        assert json.loads(result.body)["accessToken"]
    else:
        assert isinstance(result, ExtractedEvent)
        assert result.event_id


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_has_about_the_size_that_is_meant(sample: Sample) -> None:
    webhook = received(sample)
    content = webhook.body or webhook.query.encode()
    assert BODY_BYTES * 0.95 <= len(content) <= BODY_BYTES + _RSA_SIGNATURE_BYTES


def test_the_proof_that_a_sample_names_is_the_one_of_its_scheme() -> None:
    words = {Proof.RSA_SHA256: "SHA-256", Proof.RSA_SHA1: "SHA-1", Proof.ECDSA_P384: "P-384", Proof.ED25519: "Ed25519"}
    for sample in SAMPLES:
        algorithm = sample.provider.scheme_of(received(sample), sample.credentials).describe().algorithm
        if sample.proof is Proof.SHARED_SECRET:
            assert "RSA" not in algorithm, sample.name
            assert "ECDSA" not in algorithm, sample.name
        else:
            assert words[sample.proof] in algorithm, sample.name


def test_each_webhook_is_received_anew_with_nothing_read_yet() -> None:
    sample = BY_NAME["stripe v1"]
    first, second = received(sample), received(sample)
    assert first.document == second.document
    assert first.document is not second.document
    assert "document" not in vars(received(sample))


def test_a_sample_that_is_refused_is_not_measured() -> None:
    sample = BY_NAME["stripe v1"]
    refused = Sample(
        name=sample.name,
        proof=sample.proof,
        provider=sample.provider,
        credentials=Credentials(),
        request=sample.request,
    )
    with pytest.raises(ValueError, match="stripe v1: CREDENTIALS_MISSING"):
        measure_sample(refused, budget_ns=0)


def test_median_and_percentile_are_those_of_the_rounds() -> None:
    # The end of the budget is read first, then begin and end of each round, and whether there is time for another.
    clock = clock_of(0, 0, 10_000, 20_000, 20_000, 50_000, 60_000, 60_000, 80_000, 100_000)
    found = measure_sample(BY_NAME["mock hmac"], budget_ns=100_000, clock=clock)
    assert (found.rounds, found.median_us, found.p95_us, found.floor_us) == (3, 20.0, 30.0, None)


def test_the_bare_check_is_measured_in_turn_with_the_whole() -> None:
    clock = clock_of(0, 0, 50_000, 50_000, 71_000, 1_000_000)
    found = measure_sample(BY_NAME["dana snap_rsa"], budget_ns=100_000, clock=clock)
    assert (found.rounds, found.median_us, found.floor_us) == (1, 50.0, 21.0)


def test_a_sample_is_measured_once_at_least() -> None:
    assert measure_sample(BY_NAME["xendit token"], budget_ns=0).rounds == 1


@pytest.mark.parametrize(
    ("proof", "median_us", "holds"),
    [
        (Proof.SHARED_SECRET, 40.0, True),
        (Proof.SHARED_SECRET, 40.1, False),
        (Proof.RSA_SHA256, 150.0, True),
        (Proof.RSA_SHA1, 150.1, False),
        (Proof.ED25519, 149.0, True),
        (Proof.ECDSA_P384, 300.0, False),
    ],
)
def test_the_bound_is_that_of_the_proof(proof: Proof, median_us: float, holds: bool) -> None:
    assert timing("x", proof, median_us).holds is holds


def test_the_table_has_a_line_for_each_and_names_what_openssl_alone_takes() -> None:
    table = verification_table(
        [timing("acme hmac", Proof.SHARED_SECRET, 18.04), timing("b", Proof.RSA_SHA256, 151.0, 21.4)]
    )
    assert table.splitlines()[2:] == [
        "| acme hmac | HMAC, digest, token or address | 18.0 | 99.2 |  | 40 | met |",
        "| b | RSA-2048, SHA-256 | 151.0 | 99.2 | 21 | 150 | MISSED |",
    ]


def test_a_bound_below_what_openssl_takes_is_missed_and_said_so() -> None:
    floor = BOUND_US_PUBLIC_KEY + 140
    table = verification_table([timing("c", Proof.ECDSA_P384, floor + 20, floor)])
    assert table.endswith("| 290 | 150 | MISSED, the bare check takes more |")


def test_the_verdict_counts_and_names_what_missed() -> None:
    met, missed = timing("a", Proof.SHARED_SECRET, 9.0), timing("b", Proof.SHARED_SECRET, 41.0)
    assert verification_verdict([met]).startswith("met     1 of 1 within their bound")
    assert verification_verdict([met, missed]).startswith("MISSED  1 of 2 within their bound")
    assert verification_verdict([met, missed]).endswith("not b")


def test_samples_are_signed_shortly_before_they_are_received() -> None:
    # Airwallex and Paddle refuse what is old; a sample that is not verified at its time would be a refusal.
    sample = BY_NAME["paddle billing_hmac"]
    assert not sample.provider.verify(received(sample), sample.credentials, NOW + 60).valid

"""The loads of a round, and webhooks of several providers."""

from benchmarks.load import LoadSpec
from benchmarks.scale import FULL, QUICK
from benchmarks.simulated import MIXED_PROVIDERS, SimulatedWebhook
from benchmarks.systems import Receiver
from benchmarks.workloads import Kind, Workload, workloads
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, ExtractedEvent, SecretVersion
from tenrusl.secret import Secret
from tests.unit.benchmarks.test_bench_webhooks import received

CREATED = 1_785_000_000
SECRETS = {name: f"secret-of-{name}" for name in MIXED_PROVIDERS}
SPEC = LoadSpec(name="m", port=1, path="/api/webhooks/{provider}", secrets=SECRETS, count=6)


def receiver(*providers: str, stored: str | None = "SELECT") -> Receiver:
    secrets = {name: SECRETS[name] for name in providers}
    return Receiver(name="r", port=1, path="/{provider}", secrets=secrets, stored=stored, backlog=None)


def test_all_workloads_of_a_run_have_different_labels_within_their_kind() -> None:
    for scale in (FULL, QUICK):
        labels = [(workload.kind, workload.label) for workload in workloads(scale)]
        assert len(set(labels)) == len(labels)


def test_every_body_size_holds_the_longest_name() -> None:
    for workload in workloads(FULL):
        if workload.kind is Kind.BODY:
            spec = workload.load(receiver("stripe"), f"s{workload.body_bytes}r10")
            assert len(spec.webhook(9_999_999, CREATED).body) == workload.body_bytes


def test_the_providers_take_turns_and_each_webhook_is_authentic_and_a_payment_of_its_own() -> None:
    seen = set()
    for number in range(2 * len(MIXED_PROVIDERS)):
        webhook = SPEC.webhook(number, CREATED)
        assert isinstance(webhook, SimulatedWebhook)
        provider = PROVIDERS[webhook.provider]
        request = received(SPEC.request(number, CREATED))
        assert request.path == f"/api/webhooks/{webhook.provider}"
        secret = Secret(SECRETS[webhook.provider])
        credentials = Credentials({provider.secret_field: (SecretVersion("current", secret),)})
        assert provider.verify(request, credentials, CREATED + 1).valid
        event = provider.extract(request)
        assert isinstance(event, ExtractedEvent)
        assert (event.event_id, request.body) == (webhook.event_id, webhook.body)
        seen.add((webhook.provider, event.event_id))
    assert len(seen) == 2 * len(MIXED_PROVIDERS)


def test_the_same_event_is_the_same_in_every_process() -> None:
    assert [SPEC.webhook(n, CREATED).body for n in range(6)] == [SPEC.webhook(n, CREATED).body for n in range(6)]


def test_a_receiver_gets_only_what_it_can_take() -> None:
    mixed = Workload(kind=Kind.MIXED, seconds=1.0, providers=MIXED_PROVIDERS)
    assert mixed.suits(receiver(*MIXED_PROVIDERS))
    assert not mixed.suits(receiver("stripe"))
    repeats = Workload(kind=Kind.REPEATS, seconds=1.0, repeat_share=0.3)
    assert repeats.suits(receiver("stripe"))
    assert not repeats.suits(receiver("stripe", stored=None))


def test_large_bodies_are_fewer_so_that_they_fit_into_memory() -> None:
    large = Workload(kind=Kind.BODY, seconds=3.0, body_bytes=65_536).load(receiver("stripe"), "n")
    small = Workload(kind=Kind.BODY, seconds=3.0, body_bytes=512).load(receiver("stripe"), "n")
    assert large.count * 65_536 <= 400_000_000
    assert small.count == 30_000

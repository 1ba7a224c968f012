"""TLS between processes: who is let in, who is trusted, and files that change while connections are open."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.local.ports import PortReservations
from tenrusl.rpc.channel import build_channel
from tenrusl.rpc.listening import ListenError
from tenrusl.rpc.process import always_ready
from tenrusl.rpc.server import RpcServer
from tenrusl.rpc.tls import watch_expiry
from tenrusl.rpc.tls_channel import TlsChannel
from tenrusl.secret import Secret
from tenrusl.settings import Address, Settings, SettingsError
from tenrusl.tls_files import TlsFiles
from tests.pki_files import private_authority, write_files

SERVICE = "tenrusl.api.processor.v1.ProcessorService"
APP_KEY = Secret("base64:" + "A" * 43 + "=")
PAST = datetime(2021, 1, 1, tzinfo=UTC)
OTHER = private_authority("Another CA")
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Behaviour(processor_pb2_grpc.ProcessorServiceServicer):
    """Answers, once it may, and tells which certificate the client showed."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()
        self.shown: list[bytes] = []

    async def ProcessEvents(  # noqa: N802 - the RPC's name
        self, request: processor_pb2.ProcessEventsRequest, context: aio.ServicerContext[Any, Any]
    ) -> processor_pb2.ProcessEventsResponse:
        self.shown += context.auth_context().get("x509_pem_cert", [])
        self.entered.set()
        await self.release.wait()
        return processor_pb2.ProcessEventsResponse()


class Service:
    """A running service."""

    def __init__(self, server: RpcServer, servicer: Behaviour, port: int) -> None:
        self.server = server
        self.servicer = servicer
        self.port = port

    def channel(self, tls: TlsFiles | None, host: str = "127.0.0.1", **more: Any) -> aio.Channel:
        return build_channel(f"dns:///{host}:{self.port}", tls=tls, **more)


def build_server(tls: TlsFiles | None, ready: Any = always_ready, **more: Any) -> RpcServer:
    if tls is not None:
        more |= {"grpc_tls_cert_file": tls.certificate, "grpc_tls_key_file": tls.key, "grpc_tls_ca_file": tls.ca}
    return RpcServer(
        name="processor",
        listen=Address("127.0.0.1", 0),
        settings=Settings(app_key=APP_KEY, **more),
        registry=CollectorRegistry(),
        ready=ready,
    )


@asynccontextmanager
async def serving(tls: TlsFiles | None, ready: Any = always_ready, **more: Any) -> AsyncIterator[Service]:
    servicer, server = Behaviour(), build_server(tls, ready, **more)
    server.add(processor_pb2_grpc.add_ProcessorServiceServicer_to_server, servicer, SERVICE)
    port = await server.start()
    try:
        yield Service(server, servicer, port)
    finally:
        servicer.release.set()
        await server.stop()


def ask(channel: aio.Channel) -> Awaitable[Any]:
    stub = processor_pb2_grpc.ProcessorServiceStub(channel)
    call: Awaitable[Any] = stub.ProcessEvents(processor_pb2.ProcessEventsRequest(), timeout=20)
    return call


async def refused(channel: aio.Channel) -> str:
    """What the client is told about a call that must not come through."""
    async with channel:
        with pytest.raises(aio.AioRpcError) as caught:
            await ask(channel)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    return caught.value.details() or ""


async def answers(channel: aio.Channel) -> bool:
    try:
        await ask(channel)
    except aio.AioRpcError as exc:
        if exc.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(500):
        if await condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not within ten seconds")


async def test_a_client_with_a_certificate_of_the_authority_is_let_in(tmp_path: Path) -> None:
    async with (
        serving(write_files(tmp_path / "server")) as service,
        service.channel(write_files(tmp_path / "client", "gateway"), metadata=(("x-admin-key", "k"),)) as channel,
    ):
        await ask(channel)
        assert len(service.servicer.shown) == 1


async def test_a_client_in_plaintext_is_refused(tmp_path: Path) -> None:
    async with serving(write_files(tmp_path)) as service:
        await refused(service.channel(None))
        assert not service.servicer.entered.is_set()


async def test_a_client_without_a_certificate_is_refused(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    async with serving(files) as service:
        credentials = grpc.ssl_channel_credentials(files.ca.read_bytes())
        await refused(aio.secure_channel(f"127.0.0.1:{service.port}", credentials))
        assert not service.servicer.entered.is_set()


async def test_a_client_of_another_authority_is_refused(tmp_path: Path) -> None:
    async with serving(write_files(tmp_path / "server")) as service:
        await refused(service.channel(write_files(tmp_path / "client", ca=OTHER, trusts=private_authority())))
        assert not service.servicer.entered.is_set()


async def test_a_client_with_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    async with serving(write_files(tmp_path / "server")) as service:
        await refused(service.channel(write_files(tmp_path / "client", not_after=PAST)))
        assert not service.servicer.entered.is_set()


async def test_a_server_of_another_authority_is_refused(tmp_path: Path) -> None:
    async with serving(write_files(tmp_path / "server", ca=OTHER, trusts=private_authority())) as service:
        assert "CERTIFICATE_VERIFY_FAILED" in await refused(service.channel(write_files(tmp_path / "client")))


async def test_a_server_with_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    async with serving(write_files(tmp_path / "server", not_after=PAST)) as service:
        assert "CERTIFICATE_VERIFY_FAILED" in await refused(service.channel(write_files(tmp_path / "client")))


async def test_a_server_with_another_name_is_refused(tmp_path: Path) -> None:
    async with serving(write_files(tmp_path / "server", "localhost")) as service:
        client = write_files(tmp_path / "client")
        assert "Hostname Verification Check failed" in await refused(service.channel(client))
        async with service.channel(client, "localhost") as channel:
            await ask(channel)


async def test_a_server_in_plaintext_is_refused(tmp_path: Path) -> None:
    async with serving(None) as service:
        await refused(service.channel(write_files(tmp_path)))
        assert not service.servicer.entered.is_set()


async def test_a_running_server_takes_up_changed_files(tmp_path: Path) -> None:
    async with serving(write_files(tmp_path / "server")) as service:
        old, new = write_files(tmp_path / "old"), write_files(tmp_path / "new", ca=OTHER)
        async with service.channel(old) as connected:
            await ask(connected)
            write_files(tmp_path / "server", ca=OTHER)
            async with service.channel(new) as channel:
                await ask(channel)
            await refused(service.channel(old))
            await ask(connected)  # connections that were let in stay


async def test_a_running_client_shows_changed_files_and_loses_no_call_under_way(tmp_path: Path) -> None:
    both = write_files(tmp_path / "server")
    both.ca.write_text(private_authority().certificate_pem + OTHER.certificate_pem)
    async with serving(both) as service:
        client = write_files(tmp_path / "client")
        async with service.channel(client) as channel:
            service.servicer.release.clear()
            under_way = asyncio.ensure_future(ask(channel))
            await asyncio.wait_for(service.servicer.entered.wait(), 10)
            write_files(tmp_path / "client", ca=OTHER, trusts=private_authority())
            service.servicer.entered.clear()
            second = asyncio.ensure_future(ask(channel))
            await asyncio.wait_for(service.servicer.entered.wait(), 10)
            assert not under_way.done()
            assert len(set(service.servicer.shown)) == 2
            service.servicer.release.set()
            await asyncio.gather(under_way, second)
            await ask(channel)
            assert service.servicer.shown[1] == service.servicer.shown[2] == client.certificate.read_bytes()


async def test_a_client_whose_certificate_was_refused_comes_through_with_the_next(tmp_path: Path) -> None:
    async with serving(write_files(tmp_path / "server")) as service:
        client = write_files(tmp_path / "client", not_after=PAST)
        async with service.channel(client) as channel:
            assert not await answers(channel)
            write_files(tmp_path / "client")
            await eventually(lambda: answers(channel))


async def test_both_sides_change_to_another_authority_by_way_of_both(tmp_path: Path) -> None:
    server, client = write_files(tmp_path / "server"), write_files(tmp_path / "client")
    async with serving(server) as service, service.channel(client) as channel:
        await ask(channel)
        for files in (server, client):
            files.ca.write_text(private_authority().certificate_pem + OTHER.certificate_pem)
            await ask(channel)
        for files in (server, client):
            both = files.ca.read_text()
            write_files(files.certificate.parent, ca=OTHER)
            files.ca.write_text(both)
            await ask(channel)
        for files in (server, client):
            files.ca.write_text(OTHER.certificate_pem)
            await ask(channel)
        await refused(service.channel(write_files(tmp_path / "late")))


async def test_the_channel_before_is_closed_when_its_last_call_has_ended(tmp_path: Path) -> None:
    opened: list[aio.Channel] = []

    def open_channel(credentials: grpc.ChannelCredentials) -> aio.Channel:
        opened.append(aio.secure_channel(f"127.0.0.1:{service.port}", credentials))
        return opened[-1]

    def is_closed(channel: aio.Channel) -> bool:
        return channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN

    async with serving(write_files(tmp_path / "server")) as service:
        channel = TlsChannel(write_files(tmp_path / "client"), open_channel)
        service.servicer.release.clear()
        under_way = asyncio.ensure_future(ask(channel))
        await asyncio.wait_for(service.servicer.entered.wait(), 10)
        write_files(tmp_path / "client")
        second = asyncio.ensure_future(ask(channel))
        await asyncio.sleep(0)
        assert [is_closed(one) for one in opened] == [False, False]
        service.servicer.release.set()
        await asyncio.gather(under_way, second)

        async def first_is_closed() -> bool:
            return is_closed(opened[0])

        await eventually(first_is_closed)
        assert not is_closed(opened[1])
        await channel.close()
        assert is_closed(opened[1])


async def test_files_that_do_not_fit_together_change_nothing_until_they_do(tmp_path: Path) -> None:
    server, client = write_files(tmp_path / "server"), write_files(tmp_path / "client")
    async with serving(server) as service, service.channel(client) as channel:
        await ask(channel)
        with structlog.testing.capture_logs() as lines:
            key = write_files(tmp_path / "new").key.read_text()
            for files in (server, client):
                files.key.write_text(key)  # of the next certificate, which is not there yet
            await ask(channel)
            async with service.channel(write_files(tmp_path / "another")) as another:
                await ask(another)
        wrong = [line for line in lines if line["log_level"] == "error"]
        assert len(wrong) == 2
        assert all("TENRUSL_GRPC_TLS_KEY_FILE" in line["problems"][0] for line in wrong)
        assert key.splitlines()[1] not in str(lines)
        shown = len(set(service.servicer.shown))
        client.certificate.write_text((tmp_path / "new/tls.crt").read_text())
        await ask(channel)
        assert len(set(service.servicer.shown)) == shown + 1


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [
        ("certificate", "nonsense", "TENRUSL_GRPC_TLS_CERT_FILE: must hold certificates in PEM"),
        ("key", "nonsense", "TENRUSL_GRPC_TLS_KEY_FILE: must hold a private key in PEM"),
        ("ca", "", "TENRUSL_GRPC_TLS_CA_FILE: must hold certificates in PEM"),
        ("ca", None, "TENRUSL_GRPC_TLS_CA_FILE: cannot read .*: No such file or directory"),
    ],
)
def test_files_that_are_wrong_at_the_start_are_named(tmp_path: Path, file: str, text: str | None, named: str) -> None:
    files = write_files(tmp_path)
    path: Path = getattr(files, file)
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with pytest.raises(SettingsError, match=named):
        build_server(files)
    with pytest.raises(SettingsError, match=named):
        build_channel("dns:///127.0.0.1:1", tls=files)


def test_a_key_of_another_certificate_is_named(tmp_path: Path) -> None:
    files, other = write_files(tmp_path / "one"), write_files(tmp_path / "other")
    files.key.write_text(other.key.read_text())
    with pytest.raises(SettingsError, match="TENRUSL_GRPC_TLS_KEY_FILE: is not the key of the first certificate"):
        watch_expiry(CollectorRegistry(), files)


@pytest.mark.parametrize("curve", [ec.SECP384R1(), None])
async def test_keys_of_other_kinds_are_taken_where_grpc_takes_them(
    tmp_path: Path, curve: ec.EllipticCurve | None
) -> None:
    key = ec.generate_private_key(curve) if curve else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    files = write_files(tmp_path, key=key)
    async with serving(files) as service, service.channel(files) as channel:
        await ask(channel)


def test_a_key_that_grpc_does_not_take_is_named(tmp_path: Path) -> None:
    files = write_files(tmp_path, key=ec.generate_private_key(ec.SECP521R1()))
    with pytest.raises(SettingsError, match="TENRUSL_GRPC_TLS_KEY_FILE: must be RSA or ECDSA on P-256 or P-384"):
        build_server(files)


def test_the_metrics_tell_when_the_certificate_ends(tmp_path: Path) -> None:
    registry, name = CollectorRegistry(), "tenrusl_grpc_certificate_expiry_timestamp_seconds"
    watch_expiry(registry, write_files(tmp_path, not_after=PAST))
    assert registry.get_sample_value(name) == PAST.timestamp()
    write_files(tmp_path, not_after=datetime(2044, 1, 1, tzinfo=UTC))
    assert registry.get_sample_value(name) == datetime(2044, 1, 1, tzinfo=UTC).timestamp()


async def health(channel: aio.Channel, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    return int((await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)).status)


async def test_probes_learn_the_health_in_plaintext_and_reach_nothing_else(
    tmp_path: Path, ports: PortReservations
) -> None:
    listen = Address("127.0.0.1", ports.take())
    is_ready = [False]

    async def ready() -> bool:
        return is_ready[-1]

    async with (
        serving(write_files(tmp_path), ready, health_listen=listen) as service,
        build_channel(f"dns:///{listen}") as probe,
    ):
        assert (await health(probe, ""), await health(probe, "readiness")) == (SERVING, NOT_SERVING)
        is_ready.append(True)

        async def is_told() -> bool:
            return (await health(probe, "readiness"), await health(probe, SERVICE)) == (SERVING, SERVING)

        await eventually(is_told)
        for call in (ask(probe), health_pb2_grpc.HealthStub(probe).Watch(health_pb2.HealthCheckRequest()).read()):
            with pytest.raises(aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert not service.servicer.entered.is_set()


async def test_probes_are_told_of_a_drain_until_it_has_ended(tmp_path: Path, ports: PortReservations) -> None:
    listen = Address("127.0.0.1", ports.take())
    files = write_files(tmp_path)
    async with (
        serving(files, health_listen=listen) as service,
        service.channel(files) as channel,
        build_channel(f"dns:///{listen}") as probe,
    ):
        service.servicer.release.clear()
        under_way = asyncio.ensure_future(ask(channel))
        await asyncio.wait_for(service.servicer.entered.wait(), 10)
        stopping = asyncio.create_task(service.server.stop(20))

        async def is_told() -> bool:
            return (await health(probe, ""), await health(probe, "readiness")) == (SERVING, NOT_SERVING)

        await eventually(is_told)
        service.servicer.release.set()
        await asyncio.gather(under_way, stopping)
        with pytest.raises(aio.AioRpcError):
            await health(probe, "")


async def test_a_taken_address_for_probes_is_named(tmp_path: Path) -> None:
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken:
        with pytest.raises(ListenError, match=rf"127\.0\.0\.1:{port} \(TENRUSL_HEALTH_LISTEN\): Address already"):
            async with serving(None, health_listen=Address("127.0.0.1", port)):
                pass

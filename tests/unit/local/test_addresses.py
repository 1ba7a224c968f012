"""Where a local stack listens, and who is in its way."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from tenrusl.local.addresses import free_addresses, listen_addresses, problems, reachable
from tenrusl.local.ports import PortReservations, holder, is_free
from tenrusl.settings import Address, load

_APP_KEY = f"base64:{'A' * 43}="


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_taken_address_is_named_with_its_setting_and_its_holder(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    (line,) = problems({"TENRUSL_GATEWAY_LISTEN": Address("127.0.0.1", port)})
    assert line.startswith(f"TENRUSL_GATEWAY_LISTEN: 127.0.0.1:{port} is taken by ")
    assert f"pid {os.getpid()};" in line


def test_two_settings_with_one_address_are_named(ports: PortReservations) -> None:
    address = Address("127.0.0.1", ports.take())
    (line,) = problems({"DB_PORT": address, "REDIS_PORT": address})
    assert line == f"REDIS_PORT: {address} is also that of DB_PORT"


def test_an_address_of_another_machine_is_named() -> None:
    (line,) = problems({"TENRUSL_GATEWAY_LISTEN": Address("192.0.2.1", 8080)})
    assert line.startswith("TENRUSL_GATEWAY_LISTEN: cannot listen on 192.0.2.1:8080: ")


def test_free_addresses_are_those_that_the_settings_read(ports: PortReservations) -> None:
    environ = free_addresses(ports)
    settings = load({"APP_KEY": _APP_KEY, **environ})
    assert {name: str(address) for name, address in listen_addresses(settings).items()} == {
        name: text for name, text in environ.items() if name.startswith("TENRUSL_")
    }
    assert (settings.db_port, settings.redis_port) == (int(environ["DB_PORT"]), int(environ["REDIS_PORT"]))
    assert problems(listen_addresses(settings)) == []
    assert len(set(environ.values())) == len(environ)


def test_a_server_on_all_interfaces_is_reached_through_the_loopback_one() -> None:
    assert reachable(Address("0.0.0.0", 80)) == Address("127.0.0.1", 80)  # noqa: S104 - the case in question
    assert reachable(Address("192.0.2.1", 80)) == Address("192.0.2.1", 80)


def test_no_port_is_given_twice_until_it_is_released() -> None:
    first, second = PortReservations(), PortReservations()
    taken = [first.take() for _ in range(50)]
    assert len({*taken, *(second.take() for _ in range(50))}) == 100
    first.release()
    second.release()


def test_a_port_is_free_again_when_its_server_has_closed_it(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert not is_free("127.0.0.1", port)
    listener.close()
    assert is_free("127.0.0.1", port)
    assert holder(port) == ""

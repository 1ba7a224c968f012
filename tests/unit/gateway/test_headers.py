"""Whose address a request has."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.headers import SourceAddress
from tenrusl.settings import SettingsError, load

TRUSTED = SourceAddress([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("peer", "forwarded", "source"),
    [
        ("203.0.113.7", ["1.2.3.4"], "203.0.113.7"),  # the peer is no proxy of ours
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),  # 6.6.6.6 was written by the sender
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4"], "1.2.3.4"),  # also in a header line of its own
        ("10.0.0.1", ["1.2.3.4, 10.0.0.2"], "1.2.3.4"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["junk, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["1.2.3.4, junk"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),  # some load balancers write the port
        ("10.0.0.1", ["6.6.6.6, 203.0.113.7:4711, 10.0.0.2:80"], "203.0.113.7"),
        ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", ["1.2.3.4, [fd00::9]:443"], "1.2.3.4"),  # a trusted proxy with its port
        ("10.0.0.1", ["203.0.113.7:"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7:port"], "10.0.0.1"),
        ("10.0.0.1", ["[2001:db8::1]:443:1"], "10.0.0.1"),
        ("10.0.0.1", ["[]:443"], "10.0.0.1"),
        ("10.0.0.1", ["256.1.1.1:80"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7:4711, ::ffff:10.0.0.2"], "203.0.113.7"),  # a socket of both families
        ("::ffff:10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("", ["1.2.3.4"], ""),  # a Unix socket has no peer
    ],
)
def test_the_address_is_the_last_that_no_trusted_proxy_has(peer: str, forwarded: list[str], source: str) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert TRUSTED.find(peer, headers) == source


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_without_trusted_proxies_nothing_in_a_header_changes_it(values: list[bytes]) -> None:
    assert SourceAddress([]).find("127.0.0.1", [(b"x-forwarded-for", value) for value in values]) == "127.0.0.1"


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_whatever_the_header_holds_there_is_an_address(values: list[bytes]) -> None:
    assert ip_address(TRUSTED.find("10.0.0.1", [(b"x-forwarded-for", value) for value in values]))


@given(st.ip_addresses(), st.integers(1, 65535))
def test_a_port_behind_an_address_changes_nothing(address: IPv4Address | IPv6Address, port: int) -> None:
    plain, bracketed = str(address), f"[{address}]" if address.version == 6 else str(address)
    found = TRUSTED.find("10.0.0.1", [(b"x-forwarded-for", f"{bracketed}:{port}".encode())])
    assert found == TRUSTED.find("10.0.0.1", [(b"x-forwarded-for", plain.encode())])


def test_trusted_proxies_are_set_as_networks() -> None:
    env = {"APP_KEY": "base64:" + "A" * 43 + "="}
    assert load(env).trusted_proxies == ()
    text = "10.0.0.0/8, 192.0.2.7,fd00::/8"
    networks = load(env | {"TENRUSL_TRUSTED_PROXIES": text}).trusted_proxies
    assert [str(network) for network in networks] == ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]
    with pytest.raises(SettingsError, match="TENRUSL_TRUSTED_PROXIES"):
        load(env | {"TENRUSL_TRUSTED_PROXIES": "10.0.0.1/8"})

"""Hosts as they are written, patterns, public addresses, and what of a request is granted."""

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pev.errors import InvalidInput
from pev.sandbox.hosts import HostPattern, is_public, normal_host, split_authority, written
from pev.sandbox.permits import Allowance, LimitSettings, SandboxSettings, granted, narrowed
from pev.sandbox.proxy_tls import MalformedHello, hello_of, server_names

LABEL = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
NAMES = st.lists(LABEL, min_size=2, max_size=5).map(".".join)
PORTS = st.integers(1, 65_535)


@given(NAMES, st.data())
def test_a_name_has_one_form(name: str, data: st.DataObject) -> None:
    """Upper case and a final dot name the same host, for a resolver and so for the list."""
    spelled = "".join(data.draw(st.sampled_from((char, char.upper()))) for char in name)

    assert normal_host(spelled) == normal_host(f"{spelled}.") == name


@given(st.ip_addresses())
def test_a_plain_address_has_one_form(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None)

    assert normal_host(str(address)) == str(mapped or address)


@pytest.mark.parametrize(
    "odd",
    [
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "example.0x1",
        "example.123",
        "fe80::1%eth0",
        "[fe80::1%25eth0]",
        "[127.0.0.1]",
        "[::1",
        "::1]",
        "1::2::3",
    ],
)
def test_another_notation_of_an_address_is_refused(odd: str) -> None:
    """Libraries disagree over what these are, and a list must not be read in two ways."""
    with pytest.raises(InvalidInput):
        normal_host(odd)


@pytest.mark.parametrize(
    "odd",
    [
        "",
        ".",
        "..",
        "a..b",
        ".example.com",
        "example.com..",
        "user@example.com",
        "user:pw@example.com",
        "example.com%00.evil.test",
        "ex%61mple.com",
        "example.com\0",
        "example.com\n",
        "exa mple.com",
        "example.com/",
        "example.com#",
        "example.com\\",
        "*.example.com",
        "exämple.com",
        "\uff45xample.com",
        "example\u3002com",
        "-a.example",
        "a" * 64 + ".example",
        ".".join(["abc"] * 70),
    ],
)
def test_what_is_no_plain_name_is_refused(odd: str) -> None:
    """Nothing is decoded, mapped or cut off: what was compared is what is connected to."""
    with pytest.raises(InvalidInput):
        normal_host(odd)


def test_an_internationalised_name_is_known_by_its_ascii_form() -> None:
    assert normal_host("XN--BCHER-KVA.example") == "xn--bcher-kva.example"


@given(st.text(max_size=60))
def test_what_is_normal_stays_as_it_is(text: str) -> None:
    """The form of a form is itself, and it is ASCII without anything that ends a name elsewhere."""
    try:
        host = normal_host(text)
    except InvalidInput:
        return
    assert normal_host(host) == host
    assert set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._:")


@given(st.one_of(NAMES, st.ip_addresses().map(lambda one: normal_host(str(one)))), PORTS)
def test_host_and_port_survive_writing_and_reading(host: str, port: int) -> None:
    assert split_authority(written(host, port)) == (host, port)
    assert split_authority(written(host, 1).removesuffix(":1"), port) == (host, port)


@pytest.mark.parametrize(
    "text", ["a.example", "a.example:", "a.example:0", "a.example:65536", "a.example:+80"]
)
def test_a_port_is_a_plain_number(text: str) -> None:
    with pytest.raises(InvalidInput):
        split_authority(text)


@pytest.mark.parametrize(
    "text", ["::1:80", "a.example:80:80", "a.example: 80", "a.example:\uff18\uff10", "[::1]80"]
)
def test_an_authority_is_read_in_one_way_only(text: str) -> None:
    with pytest.raises(InvalidInput):
        split_authority(text, 80)


@pytest.mark.long_search
@given(NAMES, NAMES, PORTS)
def test_a_pattern_admits_its_host_and_nothing_else(name: str, other: str, port: int) -> None:
    exact, below = HostPattern.parse(f"{name}:{port}"), HostPattern.parse(f"*.{name}:{port}")

    assert exact.admits(name, port)
    assert exact.admits(other, port) is (name == other)
    assert not exact.admits(f"www.{name}", port)
    assert below.admits(f"www.{name}", port)
    assert below.admits(f"a.b.{name}", port)
    assert not below.admits(name, port)
    assert not below.admits(f"evil{name}", port)
    assert not below.admits(f"{name}.{other}.test", port)
    assert not exact.admits(name, port % 65_535 + 1)


@pytest.mark.long_search
@given(NAMES, NAMES, NAMES, st.booleans(), st.booleans())
def test_what_two_patterns_share_is_what_both_admit(
    tail: str, left: str, probe: str, wide: bool, wide_too: bool
) -> None:
    one = HostPattern(tail, 443, below=wide)
    other = HostPattern(f"{left}.{tail}", 443, below=wide_too)
    both = one.both(other)

    assert both == other.both(one)
    for host in (tail, f"{left}.{tail}", f"{probe}.{tail}", f"{probe}.{left}.{tail}"):
        admitted = both is not None and both.admits(host, 443)
        assert admitted is (one.admits(host, 443) and other.admits(host, 443))


@pytest.mark.parametrize(
    "text", ["*:443", "*.com:443", "*.127.0.0.1:80", "*.*.example.com:1", "a.*.example:1"]
)
def test_a_pattern_that_admits_too_much_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        HostPattern.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "127.0.0.1",
        "127.255.0.3",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "::8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "ff0e::1",
        "2001:db8::1",
    ],
)
def test_an_address_of_this_machine_its_neighbours_or_its_cloud_is_not_public(text: str) -> None:
    """Services there believe whoever reaches them, and hand out credentials."""
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_an_address_of_the_open_network_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


# what is granted


def test_only_what_is_requested_and_allowed_is_granted(tmp_path: Path) -> None:
    request = SandboxSettings(
        hosts=("a.example.com:443", "*.other.example:443", "evil.test:443", "a.example.com:22"),
        read=(str(tmp_path / "data/sub"), "/etc"),
        env=("TOKEN", "PATH_TO_X"),
    )
    operator = Allowance(
        hosts=("*.example.com:443", "x.other.example:443", "127.0.0.1:8000"),
        read=(tmp_path / "data",),
        env=("PATH_TO_X", "UNASKED"),
    )

    got = granted(request, operator, trusted=True)

    assert got.hosts == ("a.example.com:443", "x.other.example:443")
    assert got.addresses == ("127.0.0.1:8000",)
    assert got.read == (tmp_path / "data/sub",)
    assert got.env == ("PATH_TO_X",)
    assert got.refused == ("*.other.example:443", "evil.test:443", "a.example.com:22", "/etc", "TOKEN")


def test_without_trust_nothing_is_granted() -> None:
    """A freshly cloned hostile repository must be harmless, whatever the operator allows in general."""
    request = SandboxSettings(hosts=("a.example.com:443",), read=("/opt/data",), env=("TOKEN",))
    operator = Allowance(hosts=("a.example.com:443",), read=(Path("/opt/data"),), env=("TOKEN",))

    got = granted(request, operator, trusted=False)

    assert (got.hosts, got.addresses, got.read, got.env) == ((), (), (), ())
    assert got.refused == ("a.example.com:443", "/opt/data", "TOKEN")


def test_by_default_nothing_is_granted() -> None:
    request = SandboxSettings(hosts=("a.example.com:443",), read=("/opt/data",), env=("TOKEN",))

    got = granted(request, Allowance(), trusted=True)

    assert got.refused == ("a.example.com:443", "/opt/data", "TOKEN")


def test_a_link_does_not_lead_out_of_an_allowed_folder(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "allowed/link").symlink_to(tmp_path / "secret")
    request = SandboxSettings(read=(str(tmp_path / "allowed/link"),))

    assert granted(request, Allowance(read=(tmp_path / "allowed",)), trusted=True).read == ()


def _written(pairs: list[tuple[bool, str]]) -> tuple[str, ...]:
    return tuple(f"{'*.' if below else ''}{name}:443" for below, name in pairs)


@pytest.mark.long_search
@given(
    st.lists(st.tuples(st.booleans(), NAMES), max_size=5),
    st.lists(st.tuples(st.booleans(), NAMES), max_size=5),
)
def test_a_grant_is_never_wider_than_either_side(
    asked: list[tuple[bool, str]], allowed: list[tuple[bool, str]]
) -> None:
    got = granted(SandboxSettings(hosts=_written(asked)), Allowance(hosts=_written(allowed)), trusted=True)
    sides = [[HostPattern.parse(one) for one in _written(pairs)] for pairs in (asked, allowed)]

    for pattern in map(HostPattern.parse, got.hosts):
        host = f"www.{pattern.host}" if pattern.below else pattern.host
        assert all(any(one.admits(host, 443) for one in side) for side in sides)


def test_limits_only_narrow() -> None:
    from pev.sandbox.limits import Limits

    limits = narrowed(LimitSettings(processes=4))
    own = Limits(memory_bytes=2**30, processes=1_000)

    assert narrowed(LimitSettings()) is None
    assert own.narrowed(limits) == Limits(memory_bytes=2**30, processes=4)
    assert own.narrowed(narrowed(LimitSettings(processes=9_999))) == own


@pytest.mark.parametrize(
    "settings",
    [
        {"hosts": ["*"]},
        {"hosts": ["example.com"]},
        {"hosts": ["https://example.com:443"]},
        {"read": ["relative"]},
        {"read": ["/"]},
        {"read": ["/a/../etc"]},
        {"env": ["A=B"]},
        {"env": [""]},
        {"network": True},
        {"sandbox": "none"},
        {"limits": {"memory_bytes": 0}},
    ],
)
def test_a_request_that_is_not_plain_is_an_error(settings: dict[str, object]) -> None:
    """What does not parse must not be taken for a wish for nothing, or for everything."""
    with pytest.raises(ValidationError):
        SandboxSettings.model_validate(settings)


# the server name in TLS


def _hello(name: bytes, *, split: int = 2**14) -> bytes:
    names = b"\x00" + len(name).to_bytes(2, "big") + name
    extension = (len(names) + 2).to_bytes(2, "big") + len(names).to_bytes(2, "big") + names
    extensions = b"\x00\x17\x00\x00" + b"\x00\x00" + extension
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    body += len(extensions).to_bytes(2, "big") + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    pieces = [message[at : at + split] for at in range(0, len(message), split)]
    return b"".join(b"\x16\x03\x01" + len(one).to_bytes(2, "big") + one for one in pieces)


@pytest.mark.long_search
@given(NAMES, st.integers(1, 200))
def test_a_server_name_is_found_however_it_is_cut_into_records(name: str, split: int) -> None:
    """A name that is spread over records must not slip by."""
    data = _hello(name.encode(), split=split)

    assert server_names(hello_of(data) or b"") == [name]
    assert all(hello_of(data[:end]) is None for end in range(1, len(data)))


@given(st.binary(max_size=200))
def test_what_is_no_hello_is_malformed_or_incomplete(tail: bytes) -> None:
    """Hostile bytes end in one of three ways, and never in another error."""
    for data in (tail, b"\x16\x03\x01" + tail, _hello(b"a.example")[:20] + tail):
        try:
            hello = hello_of(data)
            assert hello is None or isinstance(server_names(hello), list)
        except MalformedHello:
            continue

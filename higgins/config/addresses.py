"""Addresses as HOST:PORT, with brackets around an IPv6 address and an optional NAME= before it."""

import ipaddress

import msgspec

PORT_MAX = 65_535
DEFAULT_PORT = 9_092


class Address(msgspec.Struct, frozen=True):
    """A host and a port, and the name before them, or empty."""

    host: str
    port: int
    name: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Parse [NAME=]HOST:PORT. Raises: ValueError with a message for the user."""
    name, _, rest = text.strip().rpartition("=")
    host, colon, port = rest.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"'{text}' is ambiguous: put an IPv6 address in brackets, as in [::1]:{DEFAULT_PORT}.")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > PORT_MAX:
        raise ValueError(f"'{text}' is not HOST:PORT with a port from 0 to {PORT_MAX}, as in 127.0.0.1:{DEFAULT_PORT}.")
    return Address(host, int(port), name.strip())


def parse_addresses(text: str) -> list[Address]:
    """Parse HOST:PORT,HOST:PORT…, at least one. Raises: ValueError with a message for the user."""
    addresses = [parse_address(one) for one in text.split(",") if one.strip()]
    if not addresses:
        raise ValueError(f"There is no address; write HOST:PORT, as in 127.0.0.1:{DEFAULT_PORT}.")
    return addresses


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_wildcard(host: str) -> bool:
    """Whether the host stands for every address of this machine; no client can connect to such a host."""
    return host in {"0.0.0.0", "::", "*"}

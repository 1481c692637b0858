"""The only way out of the service: one POST to an address that was looked at before it is connected to.

The host is resolved once; every address it has must be public, or in a network the operator allowed; the connection
then goes to that very address, so that a name that changes its mind in between (DNS rebinding) gains nothing. Redirects
are not followed. Plain HTTP and passwords in the URL are refused unless allowed. Knows no webhooks and no tables.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from perceptlm.annotate.settings import Settings
from perceptlm.errors import PerceptLMError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_ANSWER_BYTES = 64 << 10


class EgressRefused(PerceptLMError):
    """The address may not be connected to, or the answer was not one of success."""


@dataclass(frozen=True)
class Target:
    """Where to connect: the checked address, and the name that the server there must have."""

    address: Address
    host: str
    port: int
    path: str
    is_tls: bool


def check_url(url: str, settings: Settings) -> SplitResult:
    """Return the parts of a URL that may be posted to, as far as can be told without resolving it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EgressRefused(f"the URL cannot be read: {error}") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and settings.allow_plain_http):
        raise EgressRefused("the URL must begin with https://", hint="the operator may set allow_plain_http")
    if parts.username is not None or parts.password is not None or not parts.hostname or port == 0:
        raise EgressRefused("the URL needs a host, and may hold no name or password")
    if any(ord(character) <= 32 or ord(character) >= 127 for character in url):
        raise EgressRefused("the URL holds characters that must be escaped")
    return parts


def resolve(url: str, settings: Settings) -> Target:
    """Return the one address that will be connected to; EgressRefused if any address of the host is not public."""
    parts = check_url(url, settings)
    host = str(parts.hostname)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EgressRefused(f"'{host}' cannot be resolved") from error
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        check_address(address, settings)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(addresses[0], host, port, path, parts.scheme == "https")


def check_address(address: Address, settings: Settings) -> None:
    """Raise EgressRefused for an address that is private, reserved, local or multicast, however it is written."""
    allowed = [ipaddress.ip_network(text) for text in settings.allowed_networks]
    for form in _forms(address):
        if any(form.version == network.version and form in network for network in allowed):
            continue
        if not form.is_global or form.is_multicast or form.is_reserved or form.is_unspecified:
            raise EgressRefused(f"{address} is not a public address", hint="the operator may set allowed_networks")


def _forms(address: Address) -> list[Address]:
    """Return the address and any IPv4 address that it carries inside (mapped, 6to4, Teredo).

    NAT64 addresses (64:ff9b::/96) are not public by themselves, so they are refused whatever they carry.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    if address.teredo is not None:
        return [address, *address.teredo]
    return [address]


def post(url: str, body: bytes, headers: dict[str, str], settings: Settings) -> int:
    """POST `body` and return the status, 200 to 299; EgressRefused for anything else, redirects among it."""
    target = resolve(url, settings)
    connection = _Pinned(target, settings.delivery_timeout_seconds)
    try:
        connection.request("POST", target.path, body=body, headers={"User-Agent": "perceptlm-annotate", **headers})
        response = connection.getresponse()
        response.read(MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise EgressRefused(f"'{target.host}' did not answer: {type(error).__name__}") from error
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        raise EgressRefused(f"'{target.host}' answered with status {response.status}")
    return response.status


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, with the host's name in the request and in TLS."""

    def __init__(self, target: Target, timeout_seconds: float) -> None:
        super().__init__(target.host, target.port, timeout=timeout_seconds)
        self._target = target

    def connect(self) -> None:
        """Connect to the address that was checked."""
        self.sock = socket.create_connection((str(self._target.address), self._target.port), self.timeout)
        if self._target.is_tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self._target.host)

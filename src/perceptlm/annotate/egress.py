"""The only way out of the service: one POST to an address that was looked at before it is connected to.

The host is resolved once; every address it has must be public, or in a network the operator allowed; the connection
then goes to that very address, so that a name that changes its mind in between (DNS rebinding) gains nothing. Redirects
are not followed. Plain HTTP and passwords in the URL are refused unless allowed. Whoever answers, however slowly, is
cut off when its time is over. What is told of a refusal is the same for a name that is not there and for one that is
private, so that nobody learns the names of a network. Knows no webhooks and no tables.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from perceptlm.annotate.settings import Settings
from perceptlm.errors import PerceptLMError
from perceptlm.log import logger

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_ANSWER_BYTES = 64 << 10
_PUBLIC_V6 = ipaddress.ip_network("2000::/3")
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
"""Protocol assignments, 6to4 relays and documentation, which older tables of addresses do not know."""


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
    if parts.hostname.startswith(".") or ".." in parts.hostname:
        raise EgressRefused("the host of the URL has an empty part")
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
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        for address in addresses:
            check_address(address, settings)
        first = addresses[0]
    except (OSError, UnicodeError, IndexError, EgressRefused) as error:
        logger.warning("nothing is sent to %r: %s", host, error)
        hint = "the operator may set allowed_networks"
        raise EgressRefused(f"'{host}' has no public address, or others besides", hint=hint) from error
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(first, host, port, path, parts.scheme == "https")


def check_address(address: Address, settings: Settings) -> None:
    """Raise EgressRefused for an address that is private, reserved, local or multicast, however it is written."""
    allowed = [ipaddress.ip_network(text) for text in settings.allowed_networks]
    for form in _forms(address):
        if any(form.version == network.version and form in network for network in allowed):
            continue
        if not form.is_global or form.is_multicast or form.is_reserved or form.is_unspecified or _is_special(form):
            raise EgressRefused(f"{address} is not a public address", hint="the operator may set allowed_networks")


def _is_special(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_V6:
        return True
    return any(address.version == network.version and address in network for network in _NOT_PUBLIC)


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
    # The time limit of a socket is for each piece that comes; this one is for all of them.
    end = threading.Timer(settings.delivery_timeout_seconds, connection.cut)
    end.daemon = True
    end.start()
    try:
        connection.request("POST", target.path, body=body, headers={"User-Agent": "perceptlm-annotate", **headers})
        response = connection.getresponse()
        response.read(MAX_ANSWER_BYTES)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise EgressRefused(f"'{target.host}' did not answer: {type(error).__name__}") from error
    finally:
        end.cancel()
        connection.close()
    if not 200 <= response.status < 300:
        raise EgressRefused(f"'{target.host}' answered with status {response.status}")
    return response.status


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, with the host's name in the request and in TLS."""

    def __init__(self, target: Target, timeout_seconds: float) -> None:
        super().__init__(target.host, target.port, timeout=timeout_seconds)
        self._target = target

    def cut(self) -> None:
        """End what is being sent or read, from another thread."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                # Of the socket itself: TLS has a state that is not for two threads.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def connect(self) -> None:
        """Connect to the address that was checked."""
        self.sock = socket.create_connection((str(self._target.address), self._target.port), self.timeout)
        if self._target.is_tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self._target.host)

"""Where webhooks may go: nowhere private, however the address is written, and to the address that was checked."""

from __future__ import annotations

import http.server
import ipaddress
import socket
import threading
from typing import ClassVar

import pytest

from perceptlm.annotate import egress
from perceptlm.annotate.egress import EgressRefused, check_address, check_url, post, resolve
from perceptlm.annotate.settings import Settings

PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_reserved_addresses_are_refused(address):
    with pytest.raises(EgressRefused):
        check_address(ipaddress.ip_address(address), Settings())


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111"])
def test_public_addresses_are_not(address):
    check_address(ipaddress.ip_address(address), Settings())


def test_the_operator_may_allow_a_network_and_only_that():
    settings = Settings(allowed_networks=("10.0.0.0/8",))
    check_address(ipaddress.ip_address("10.1.2.3"), settings)
    check_address(ipaddress.ip_address("::ffff:10.1.2.3"), settings)
    with pytest.raises(EgressRefused):
        check_address(ipaddress.ip_address("192.168.0.1"), settings)


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "ftp://example.com/", "https://u:p@example.com/", "https://", "file:///etc/passwd",
     "https://example.com/a b", "https://example.com:0/", "https://example.com:x/", "https://exa\nmple.com/"],
)  # fmt: skip
def test_urls_that_are_not_plain_https_are_refused(url):
    with pytest.raises(EgressRefused):
        check_url(url, Settings())


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.1", "[::1]", "localhost"])
def test_every_way_to_write_this_machine_is_refused(host):
    with pytest.raises(EgressRefused):
        resolve(f"https://{host}/", Settings())


def test_one_private_address_among_public_ones_is_enough(monkeypatch):
    found = [(socket.AF_INET, 1, 6, "", (a, 443)) for a in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(egress.socket, "getaddrinfo", lambda *a, **k: found)
    with pytest.raises(EgressRefused):
        resolve("https://example.com/", Settings())


class _Answer(http.server.BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[str, str, bytes]]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers["Host"], body))
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "http://127.0.0.1:1/secret")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def receiver():
    _Answer.seen.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_the_name_is_resolved_once_and_redirects_are_not_followed(receiver, monkeypatch):
    calls = []

    def changing(host, port, **options):
        # A name that says something else the second time.
        calls.append(host)
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1" if len(calls) == 1 else "10.0.0.1", port))]

    settings = Settings(allowed_networks=("127.0.0.0/8",), allow_plain_http=True)
    with monkeypatch.context() as patch:
        patch.setattr(egress.socket, "getaddrinfo", _only_for("hooks.example", changing))
        assert post(f"http://hooks.example:{receiver}/in?a=1", b"{}", {}, settings) == 200
    assert calls == ["hooks.example"]
    assert _Answer.seen == [("/in?a=1", f"hooks.example:{receiver}", b"{}")]
    with pytest.raises(EgressRefused, match="302"):
        post(f"http://127.0.0.1:{receiver}/moved", b"{}", {}, settings)
    assert len(_Answer.seen) == 2


def _only_for(name, other):
    usual = socket.getaddrinfo
    return lambda host, *rest, **options: (other if host == name else usual)(host, *rest, **options)

"""SSRF: nobody makes the server ask an address of their choice that is not public.

By import URL (LS CVE-2022-36551, CVE-2023-47116, CVAT CVE-2022-31188), by storage endpoint (CVAT CVE-2024-37164), by
webhook (LS #9801), by redirect, and by a name that changes its mind. `tests/annotate/test_egress.py` tests the guard
by itself; here whole deliveries go through it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time

import pytest

from perceptlm.annotate import egress
from perceptlm.annotate.deliveries import deliver_due
from perceptlm.annotate.egress import EgressRefused, check_address, post, resolve
from perceptlm.annotate.settings import Settings

OPEN = Settings(allowed_networks=("127.0.0.0/8",), allow_plain_http=True)


def deliver_to(world, url, **settings):
    """Let an item move, deliver what that sends to `url`, and return what the manager is told of it."""
    answer = world.ask("man", "POST", "projects/p/webhooks", json={"url": url, "events": ["item.moved"]})
    assert answer.status_code == 201, answer.text
    world.service.server.settings = world.service.server.settings.model_copy(update=settings)
    assert world.ask("man", "POST", f"projects/p/items/{world.ids['open']}/discard", json={"reason": "x"}).is_success
    assert deliver_due(world.service.server) == 0
    shown = world.ask("man", "GET", "projects/p/webhooks").json()["webhooks"]
    return next(hook for hook in shown if hook["url"] == url)


@pytest.mark.parametrize("url", ["https://169.254.169.254/latest", "https://[::ffff:10.0.0.1]/", "https://intern/"])
def test_a_webhook_into_the_private_network_is_never_connected_to(own_world, monkeypatch, url):
    asked = []

    def connect(address, *rest, **options):
        asked.append(address)
        raise OSError

    usual = socket.getaddrinfo
    found = [(socket.AF_INET, 1, 6, "", ("10.1.2.3", 443))]
    monkeypatch.setattr(
        egress.socket, "getaddrinfo",
        lambda host, *a, **k: found if host == "intern" else [] if host == "hooks.example" else usual(host, *a, **k),
    )  # fmt: skip
    monkeypatch.setattr(egress.socket, "create_connection", connect)
    hook = deliver_to(own_world, url)
    assert asked == []
    assert hook["deliveries"] == {"pending": 1}
    assert "10.1.2.3" not in str(hook), "nor is the address of an internal name told"


def test_a_name_that_is_private_and_one_that_is_not_there_are_told_alike(monkeypatch):
    def look(host, *rest, **options):
        if host == "there":
            return [(socket.AF_INET, 1, 6, "", ("10.1.2.3", 443))]
        raise socket.gaierror(-2, "unknown")

    monkeypatch.setattr(egress.socket, "getaddrinfo", look)
    told = []
    for host in ("there", "gone"):
        with pytest.raises(EgressRefused) as refused:
            resolve(f"https://{host}/", Settings())
        told.append((refused.value.message.replace(host, ""), refused.value.hint))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "address", ["fec0::1", "3fff::1", "192.0.0.192", "192.88.99.1", "::127.0.0.1", "64:ff9b:1::a9fe:a9fe", "5f00::1"]
)
def test_addresses_that_older_tables_call_public_are_refused(address):
    with pytest.raises(EgressRefused):
        check_address(ipaddress.ip_address(address), Settings())


class Receiver:
    """Answers each connection with what it is told to, a byte at a time."""

    def __init__(self, answer: bytes, pause_seconds: float = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.num_connections = 0
        self._answer, self._pause = answer, pause_seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._end.set()
        self._listener.close()
        self._thread.join()

    def _serve(self):
        self._listener.settimeout(0.05)
        while not self._end.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                continue
            self.num_connections += 1
            with connection:
                connection.settimeout(5)
                connection.recv(65536)
                self._send(connection)

    def _send(self, connection):
        step = 1 if self._pause else len(self._answer)
        for start in range(0, len(self._answer), step):
            try:
                connection.sendall(self._answer[start : start + step])
            except OSError:
                return
            if self._end.wait(self._pause):
                return


def test_a_redirect_into_the_private_network_is_not_followed(own_world):
    with Receiver(b"") as inner:
        answer = f"HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:{inner.port}/\r\nContent-Length: 0\r\n\r\n"
        with Receiver(answer.encode()) as outer:
            url = f"http://127.0.0.1:{outer.port}/"
            hook = deliver_to(own_world, url, allowed_networks=("127.0.0.0/8",), allow_plain_http=True)
        assert (outer.num_connections, inner.num_connections) == (1, 0)
    assert "307" in hook["last_error"]


def test_a_receiver_that_answers_byte_by_byte_is_cut_off():
    began = time.monotonic()
    with Receiver(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000, pause_seconds=0.05) as slow, pytest.raises(EgressRefused):
        post(f"http://127.0.0.1:{slow.port}/", b"{}", {}, OPEN.model_copy(update={"delivery_timeout_seconds": 0.4}))
    assert time.monotonic() - began < 20, "500 seconds is how long the answer would take"


def test_slow_receivers_do_not_keep_the_worker_from_its_other_work(own_world, monkeypatch):
    ticks = iter(range(0, 10_000, 10))
    monkeypatch.setattr("perceptlm.annotate.deliveries.monotonic", lambda: next(ticks))
    tried = []

    def send(*arguments):
        tried.append(arguments)
        return 200

    body = {"url": "https://hooks.example/2", "events": ["item.moved"]}
    for _ in range(9):
        assert own_world.ask("man", "POST", "projects/p/webhooks", json=body).status_code == 201
    path = f"projects/p/items/{own_world.ids['open']}/discard"
    assert own_world.ask("man", "POST", path, json={"reason": "x"}).is_success
    deliver_due(own_world.service.server, send)
    assert 0 < len(tried) < 6


def test_nothing_else_of_the_interface_takes_an_address(world):
    """No import by URL and no storage endpoint: the only field that names a place is a webhook's `url`."""
    document = world.service.app.openapi()
    named = re.compile(r"url|uri|endpoint|host|server|callback|bucket|path|href|remote|proxy$", re.IGNORECASE)
    fields = {
        f"{schema}.{name}"
        for schema, body in document["components"]["schemas"].items()
        for name in body.get("properties", {})
        if named.search(name)
    }
    assert fields == {"NewWebhook.url"}
    in_paths = {
        parameter["name"]
        for methods in document["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
        if named.search(parameter["name"])
    }
    assert in_paths == set()


def test_a_name_that_tls_cannot_check_fails_its_delivery_and_not_the_worker(monkeypatch):
    for host in (".hooks.example", "hooks..example"):
        with pytest.raises(EgressRefused):
            resolve(f"https://{host}/", Settings())

    def wrong(*arguments, **options):
        raise ValueError("no such name")

    monkeypatch.setattr(egress.socket, "getaddrinfo", lambda *a, **k: [(2, 1, 6, "", ("93.184.216.34", 443))])
    monkeypatch.setattr(egress.socket, "create_connection", wrong)
    with pytest.raises(EgressRefused):
        post("https://hooks.example/", b"{}", {}, Settings())

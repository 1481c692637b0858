"""exchange.hub: directories are taken as they are; repositories come from a local server that speaks as the hub."""

import hashlib
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from perceptlm.exchange.hub import model_directory

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "perception_lm"}',
    "tokenizer.json": b"{}",
    "model.safetensors": b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
    "pytorch_model.bin": b"a pickle",
    "original/consolidated.pth": b"a pickle",
    "README.md": b"words",
}


class Hub(BaseHTTPRequestHandler):
    """What of the hub's protocol a snapshot needs, for the one repository `some/model`."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments):
        """Say nothing."""

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        file = path.removeprefix(f"/some/model/resolve/{COMMIT}/")
        if path in ("/api/models/some/model", "/api/models/some/model/revision/main"):
            siblings = [{"rfilename": name} for name in FILES]
            self.reply(200, json.dumps({"id": "some/model", "sha": COMMIT, "siblings": siblings}).encode(), body)
        elif path.startswith("/api/models/some/model/tree/"):
            listed = [{"type": "file", "path": n, "size": len(c), "oid": "0" * 40} for n, c in FILES.items()]
            self.reply(200, json.dumps(listed).encode(), body)
        elif file in FILES:
            etag = hashlib.sha256(FILES[file]).hexdigest()
            self.reply(200, FILES[file], body, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})
        else:
            self.reply(404, b"{}", body, {"X-Error-Code": "RepoNotFound"})

    def reply(self, code, content, body, headers=None):
        self.send_response(code)
        for name, value in (
            {"Content-Length": str(len(content)), "Content-Type": "application/json"} | (headers or {})
        ).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def fetch(hub, home, name, options=""):
    """Ask in a process of its own: the hub's address is read when its library is imported."""
    script = """
import sys
from perceptlm.errors import PerceptLMError
from perceptlm.exchange.hub import model_directory
try:
    print(model_directory(sys.argv[1], weights="no weights" not in sys.argv))
except PerceptLMError as error:
    print(f"error: {error.message} | {error.hint}")
"""
    environment = {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1", "PATH": "", "HOME": str(home), "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script, name, options], capture_output=True, text=True, env=environment, check=True
    )
    return done.stdout.strip().splitlines()[-1]


def test_a_repository_is_fetched_once_and_without_pickles(hub, tmp_path):
    found = Path(fetch(hub, tmp_path, "some/model"))
    assert sorted(path.name for path in found.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (found / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    hub.asked.clear()
    assert fetch(hub, tmp_path, "some/model") == str(found)
    assert not [path for path in hub.asked if path.endswith(".safetensors")]


def test_without_weights_none_are_fetched(hub, tmp_path):
    found = Path(fetch(hub, tmp_path, "some/model", "no weights"))
    assert sorted(path.name for path in found.iterdir()) == ["config.json", "tokenizer.json"]
    again = Path(fetch(hub, tmp_path, "some/model"))
    assert "model.safetensors" in [path.name for path in again.iterdir()]


def test_what_is_not_there_is_said_with_a_hint(hub, tmp_path):
    told = fetch(hub, tmp_path, "some/other")
    assert "some/other: neither a directory here nor a repository of the hub that you may read" in told
    assert "hf auth login" in told
    hub.shutdown()
    hub.server_close()
    assert "could not be fetched from the hub" in fetch(hub, tmp_path, "some/model")


def test_paths_are_never_looked_for_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some" / "model").mkdir(parents=True)
    assert model_directory("some/model") == Path("some/model")
    for path in (Path("other/model"), "./other/model", "/other/model", "other", "a/b/c", "../b/c", "other/.."):
        assert model_directory(path) == Path(path)

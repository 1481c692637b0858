"""`plm eval run`: what it says before it starts, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from perceptlm import artifact
from perceptlm.cli.main import run

SERVER = ["--endpoint", "http://127.0.0.1:9/v1", "--model-name", "m"]


def test_dry_run_counts_the_requests(tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    options = ["--data", str(tiny_world), "--out", str(out), *SERVER, "--num-frames", "8", "--limit", "3", "--dry-run"]
    assert run(["eval", "run", *options]) == 0
    assert "72 requests" in capsys.readouterr().out
    assert run(["eval", "run", *options, "--json", "--variants", "own"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["num_requests"] == 24
    assert plan["questions"]["fgqa"] == 9
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give one of --model, --endpoint URL and --predictions FILE"),
        (["--endpoint", "http://x"], "go together"),
        ([*SERVER, "--variants", "zero"], "'variants'"),
        ([*SERVER, "--tasks", "rcap,fgqq"], "there is no row 'fgqq'"),
        ([*SERVER, "--tasks", "fgqq"], "did you mean 'fgqa'? rows: fgqa, sgqa"),
        ([*SERVER, "--variants", "own,zer"], "there is no variant 'zer'"),
        ([*SERVER, "--data", "missing", "--dry-run"], "missing"),
    ],
)
def test_wrong_options_are_one_sentence(
    options: list[str], message: str, tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["eval", "run", "--data", str(tiny_world), "--out", str(tmp_path / "out"), *options]) != 0
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_evaluation_loads_no_torch() -> None:
    code = "import sys, perceptlm.eval.runner, perceptlm.cli.eval; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class _Handler(BaseHTTPRequestHandler):
    """A server that answers "(A)" to everything."""

    def do_GET(self) -> None:
        self._reply({"object": "list", "data": [{"id": "m", "created": 1}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "(A)"}
        self._reply({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    def _reply(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}/v1"
        found.shutdown()
        thread.join()


def test_a_server_is_evaluated(
    tiny_world: Path, tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ["--data", str(tiny_world), "--out", str(out), "--endpoint", server, "--model-name", "m"]
    options += ["--num-frames", "4", "--limit", "2", "--variants", "own"]
    assert run(["eval", "run", *options]) == 0
    table = capsys.readouterr().out
    assert "fgqa" in table
    assert "not an LLM judge" in table
    assert run(["eval", "run", *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "scores.json").read_text(encoding="utf-8"))


def test_asking_and_scoring_are_two_commands(
    tiny_world: Path, tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    asked = ["--endpoint", server, "--model-name", "m", "--num-frames", "4", "--limit", "2", "--variants", "own"]
    data = ["--data", str(tiny_world), "--out"]
    assert run(["eval", "run", *data, str(whole), *asked]) == 0
    assert run(["eval", "run", *data, str(out), "--score-only"]) != 0
    assert "nothing was asked yet" in capsys.readouterr().err
    assert run(["eval", "run", *data, str(out), *asked, "--shard", "1/2"]) == 0
    assert run(["eval", "run", *data, str(out), *asked, "--generate-only"]) == 0
    assert not out.exists()
    assert run(["eval", "run", *data, str(out), "--score-only", "--json"]) == 0
    assert (out / "scores.json").read_bytes() == (whole / "scores.json").read_bytes()
    assert artifact.read_manifest(out).digest == artifact.read_manifest(whole).digest

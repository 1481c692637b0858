"""benchmarks/training_speed.py and training_memory.py: both sides do the same work; targets are told as they are."""

import argparse
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))

    def load(name: str) -> ModuleType:
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    threads = torch.get_num_threads()
    yield load
    torch.set_num_threads(threads)


def test_ours_and_the_peer_take_the_same_steps(script, capsys):
    missed = script("training_speed").main(["--size", "tiny", "--repeats", "2", "--threads", "1", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert missed == int(not all(told["met"].values()))
    assert told["found"]["relative difference of losses"] < 1e-5
    for row in told["rows"]:
        assert row["num_useful"] < row["num_padded"]
        assert row["ours"]["loss"] == pytest.approx(row["peer"]["loss"], rel=0.01)
    assert "batch of one" in told["rows"][0]
    assert told["rows"][0]["num_useful"] != told["rows"][1]["num_useful"]


def test_samples_of_equal_length_leave_nothing_to_pad(script):
    peer = script("training_peer")
    examples = peer.make_examples(peer.size("tiny"), "equal", 1)
    inputs = peer.peer_inputs(examples)
    assert bool(inputs["attention_mask"].all())
    assert peer.our_batch(examples, None).input_ids.shape == (1, inputs["input_ids"].numel())


def test_losses_that_differ_are_not_compared(script):
    speed, peer = script("training_speed"), script("training_peer")
    shape = peer.size("tiny")
    ours, other = (peer.our_model(shape.config) for _ in range(2))
    other.decoder.embedding.data.mul_(1.1)
    sides = [peer.Contender(ours, peer.our_loss(ours)), peer.Contender(peer.peer_model(other, "sdpa"), None)]
    sides[1].total_loss = peer.peer_loss(sides[1].model)
    with pytest.raises(SystemExit, match="losses differ"):
        speed.check_losses(*sides, peer.make_examples(shape, "mixed", 0)[:1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_beyond_the_state_is_measured(script):
    memory = script("training_memory")
    options = {"size": "tiny", "work": "mixed", "recompute": "none", "threads": 1}
    ours, peer = (memory.measure_one(argparse.Namespace(**options, contender=side)) for side in ("ours", "peer"))
    assert ours["loss"] == pytest.approx(peer["loss"], rel=0.01)
    assert ours["state_bytes"] == peer["state_bytes"] > 0
    assert ours["beyond_bytes"] > 2**20


def test_waiting_for_data_is_a_share_of_the_time(script, demo, capsys):
    missed = script("data_wait").main(["--steps", "2", "--groups", "4", "--data", str(demo / "world"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert missed == int(not told["met"])
    assert all(0 <= told[name] < 1 for name in ("features kept", "all parts"))

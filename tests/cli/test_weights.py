"""cli.weights: a recorded model is as recorded, a changed one is not, and bad input is one clear sentence."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from perceptlm.cli.main import run

RECORDED = Path(__file__).resolve().parents[1] / "model" / "data" / "perception_lm_tiny_l"


@pytest.fixture
def model(tmp_path):
    """A copy of the recorded model directory; it has neither tokenizer nor processor."""
    return Path(shutil.copytree(RECORDED, tmp_path / "model"))


def change(path, name, function):
    """Write a tensor of a file anew; None takes it out."""
    tensors = load_file(path)
    found = tensors.pop(name)
    if function is not None:
        tensors[name] = function(found).contiguous()
    save_file(tensors, path, metadata={"format": "pt"})


def verify(capsys, *arguments):
    code = run(["weights", "verify", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_recorded_model_is_as_recorded(model, capsys):
    code, found = verify(capsys, model)
    assert code == 0
    assert found["good"]
    outputs = {(item["case"], item["output"]): item["difference"] for item in found["comparisons"]}
    # Three cases with pictures, one of text alone.
    assert len(outputs) == 11
    assert 0 < max(outputs.values()) <= 2e-5
    assert run(["weights", "verify", str(model)]) == 0
    assert capsys.readouterr().out.endswith(f"{model}: as recorded, to 2e-05\n")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("model.multi_modal_projector.linear_2.bias", lambda found: found + 1e-3),
        ("model.language_model.layers.0.self_attn.q_proj.weight", lambda found: found.flip(0)),
    ],
)
def test_changed_weights_are_not(model, capsys, name, fault):
    change(model / "model.safetensors", name, fault)
    code, found = verify(capsys, model)
    assert code == 1
    assert not found["good"]
    assert not all(item["within"] for item in found["comparisons"])


def test_weights_that_are_not_finite_are_named(model, capsys):
    name = "model.language_model.norm.weight"
    change(model / "model.safetensors", name, lambda found: torch.full_like(found, float("nan")))
    assert run(["weights", "verify", str(model)]) == 1
    assert f"{name} holds values that are not finite" in capsys.readouterr().err


def test_a_larger_tolerance_is_for_numbers_not_for_tokens(model, capsys):
    change(model / "expected.safetensors", "case3.logits", lambda found: found + 0.01)
    assert verify(capsys, model)[0] == 1
    assert verify(capsys, model, "--atol", "0.02")[0] == 0
    change(model / "expected.safetensors", "case3.greedy", lambda found: (found + 1) % 7)
    code, found = verify(capsys, model, "--atol", "0.02")
    assert code == 1
    assert [item["output"] for item in found["comparisons"] if not item["within"]] == ["greedy"]
    assert run(["weights", "verify", str(model), "--atol", "0.02"]) == 1
    assert "tokens differ     TOO FAR" in capsys.readouterr().out


def test_expected_outputs_may_stand_elsewhere_and_be_few(model, tmp_path, capsys):
    kept = {name: found for name, found in load_file(model / "expected.safetensors").items() if name in (
        "case3.input_ids", "case3.logits")}  # fmt: skip
    (model / "expected.safetensors").unlink()
    save_file(kept, tmp_path / "few.safetensors")
    code, found = verify(capsys, model, "--expected", tmp_path / "few.safetensors")
    assert (code, len(found["comparisons"])) == (0, 1)


@pytest.mark.parametrize(
    ("name", "change_to", "complaint"),
    [
        ("case0.input_ids", None, "case0.input_ids must be there"),
        ("case0.input_ids", lambda found: found + 600, "tokens outside the vocabulary of 512"),
        ("case0.pixels", lambda found: found[:, :, :28], "expected (N, 3, 56, 56)"),
        ("case0.pixels", lambda found: torch.cat([found, found]), "the model makes (2, 4, 64)"),
        ("case0.logits", lambda found: found[:-1], "case0.logits has shape"),
    ],
)
def test_a_bad_recording_is_named(model, capsys, name, change_to, complaint):
    change(model / "expected.safetensors", name, change_to)
    assert run(["weights", "verify", str(model)]) == 1
    assert complaint in capsys.readouterr().err


def test_what_cannot_be_read_is_named(model, tmp_path, capsys):
    save_file({"logits": torch.zeros(1)}, model / "expected.safetensors")
    assert run(["weights", "verify", str(model)]) == 1
    assert "unknown tensor logits" in capsys.readouterr().err
    (model / "expected.safetensors").write_bytes(b"no")
    assert run(["weights", "verify", str(model)]) == 1
    assert "not a readable safetensors file" in capsys.readouterr().err
    (model / "expected.safetensors").unlink()
    assert run(["weights", "verify", str(model)]) == 1
    assert "docs/weights.md" in capsys.readouterr().err
    assert run(["weights", "verify", str(tmp_path / "none")]) == 1
    assert "there is no such model directory" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_named(model, capsys):
    assert run(["weights", "verify", str(model), "--device", "abacus"]) == 2
    assert "device 'abacus' cannot be used here" in capsys.readouterr().err


def test_info_tells_the_shape_and_reads_no_weights(model, capsys):
    (model / "model.safetensors").unlink()
    assert run(["weights", "info", str(model), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    counts = found["num_parameters"]
    assert counts["all"] == counts["vision_encoder"] + counts["projector"] + counts["decoder"] == 266560
    assert found["vision_tokens_per_picture"] == 4
    assert run(["weights", "info", str(model)]) == 0
    assert "266,560 parameters" in capsys.readouterr().out

"""weights.convert: to the other layout and back to the same bytes; what does not fit is named, and nothing is left."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from oracle import transformers
from safetensors.torch import load_file, save_file

from perceptlm.errors import ConfigError, UsageError, WeightsError
from perceptlm.model.weights import convert as conversions
from perceptlm.model.weights.convert import convert, plan
from perceptlm.model.weights.layouts import transformers_layout
from perceptlm.model.weights.rules import write_tensors
from perceptlm.model.weights.tensor_files import Held, PthWriter, SafetensorsWriter
from perceptlm.pretrained import load_model, read_config

RECORDED = Path(__file__).resolve().parents[1] / "data" / "perception_lm_tiny_l"


@pytest.fixture
def source(tmp_path):
    """A copy of the recorded model directory, with a tokenizer's file."""
    found = Path(shutil.copytree(RECORDED, tmp_path / "source"))
    (found / "tokenizer.json").write_text("{}")
    return found


@pytest.fixture
def original(source, tmp_path):
    """The same model in the original layout."""
    convert(plan(source, "original"), tmp_path / "original")
    return tmp_path / "original"


def test_there_and_back_are_the_same_bytes(source, original, tmp_path):
    convert(plan(original, "transformers"), tmp_path / "back")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert read_config(tmp_path / "back") == read_config(source)
    convert(plan(tmp_path / "back", "original"), tmp_path / "again")
    assert (tmp_path / "again" / "consolidated.pth").read_bytes() == (original / "consolidated.pth").read_bytes()
    assert (original / "tokenizer.json").read_text() == "{}"


def test_the_original_is_read_by_torch_alone_and_writes_a_tied_output_once(original):
    found = torch.load(original / "consolidated.pth", weights_only=True)
    assert found["output.tied_module.weight"].data_ptr() == found["tok_embeddings.weight"].data_ptr()
    assert found["vision_model.class_embedding"].shape == (64,)
    params = json.loads((original / "params.json").read_text())["model"]
    assert (params["dim"], params["n_layers"], params["vision_model"]["layers"]) == (64, 2, 2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_type_of_values_is_kept(source, tmp_path, dtype):
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(source / "model.safetensors").items()}
    save_file(tensors, source / "model.safetensors", metadata={"format": "pt"})
    convert(plan(source, "original"), tmp_path / "original")
    convert(plan(tmp_path / "original", "transformers"), tmp_path / "back")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert json.loads((tmp_path / "back" / "config.json").read_text())["dtype"] == str(dtype).removeprefix("torch.")
    theirs = transformers.PerceptionLMForConditionalGeneration.from_pretrained(tmp_path / "back")
    assert theirs.dtype == dtype


def test_several_files_with_an_index_are_read_by_both(small_config, small_model, tmp_path):
    rules = transformers_layout(small_config)
    tensors = write_tensors(rules, small_model.state_dict())
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for directory in (whole, parts):
        directory.mkdir()
        (directory / "config.json").write_text(json.dumps(conversions.hf_config.to_json(small_config)))
    save_file(tensors, whole / "model.safetensors", metadata={"format": "pt"})
    writer = SafetensorsWriter(parts, plan(whole, "transformers").written, max_file_bytes=50_000)
    for name, tensor in tensors.items():
        writer.write(name, tensor)
    writer.finish()
    assert len(list(parts.glob("model-0000*-of-0000*.safetensors"))) > 2
    ours = load_model(parts, small_config, device="cpu", dtype=torch.float32)
    assert all(torch.equal(tensor, small_model.state_dict()[name]) for name, tensor in ours.state_dict().items())
    theirs = transformers.PerceptionLMForConditionalGeneration.from_pretrained(parts, dtype=torch.float32)
    found = {name: tensor for name, tensor in theirs.state_dict().items() if name in tensors}
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


def test_training_configurations_of_the_original_are_understood(original):
    params = json.loads((original / "params.json").read_text())
    del params["model"]["use_scaled_rope"]
    vision = params["model"]["vision_model"]
    vision["pretrain_image_size"] = vision.pop("image_size")
    (original / "params.json").write_text(json.dumps(params))
    assert plan(original, "transformers").config == conversions.hf_config.to_json(read_config(RECORDED))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda params: params.pop("model"), "'model.vision_model' is missing"),
        (lambda params: params["model"].pop("n_layers"), "'model.n_layers' must be a whole number above 0, found None"),
        (lambda params: params["model"].update(n_heads="4"), "'model.n_heads' must be a whole number above 0"),
        (lambda params: params["model"]["vision_model"].update(pool_type="attn"), "vision_model.pool_type' is 'attn'"),
        (lambda params: params["model"].update(norm_eps=-1), "norm_eps"),
        (lambda params: params["perceptlm"].update(image_token_id=9999), "outside the vocabulary"),
    ],
)  # fmt: skip
def test_a_bad_record_is_named(original, change, complaint):
    params = json.loads((original / "params.json").read_text())
    change(params)
    (original / "params.json").write_text(json.dumps(params))
    with pytest.raises(ConfigError) as caught:
        plan(original, "transformers")
    assert str(original / "params.json") in caught.value.message
    assert complaint in caught.value.message


@pytest.mark.skipif(sys.platform != "linux", reason="only there is room reserved")
def test_room_on_the_disk_is_taken_before_anything_is_written(tmp_path):
    PthWriter(tmp_path / "large.pth", [Held("weight", (1000, 2000), torch.float32)])
    status = (tmp_path / "large.pth").stat()
    assert 512 * status.st_blocks >= status.st_size > 8_000_000


def test_bad_files_are_named(source, original, tmp_path):
    (original / "consolidated.pth").write_bytes(b"no")
    with pytest.raises(WeightsError, match=r"consolidated\.pth: not a readable file of tensors"):
        plan(original, "transformers")
    torch.save({"tok_embeddings.weight": torch.zeros(2), "step": torch.zeros(())}, original / "consolidated.pth")
    with pytest.raises(WeightsError, match=r"original: layers\.0\.attention.* is missing"):
        plan(original, "transformers")
    torch.save([1, 2], original / "consolidated.pth")
    with pytest.raises(WeightsError, match="expected a dictionary of tensors"):
        plan(original, "transformers")
    (original / "consolidated.pth").unlink()
    with pytest.raises(WeightsError, match=r"consolidated\.pth: missing"):
        plan(original, "transformers")
    (source / "model.safetensors").write_bytes(b"no")
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        plan(source, "original")
    with pytest.raises(ConfigError, match=r"neither config\.json nor params\.json"):
        plan(tmp_path / "none", "original")
    with pytest.raises(UsageError, match="no layout 'onnx'"):
        plan(source, "onnx")


def test_a_pickle_that_would_run_something_is_not_run(original, tmp_path):
    class Runs:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"tok_embeddings.weight": Runs()}, original / "consolidated.pth")
    with pytest.raises(WeightsError, match="not a readable file of tensors"):
        plan(original, "transformers")
    assert not (tmp_path / "ran").exists()


def test_what_is_there_stays_and_what_fails_leaves_nothing(source, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        convert(plan(source, "original"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]

    def stop(conversion):
        yield from list(tensors(conversion))[:3]
        raise KeyboardInterrupt

    tensors = conversions._tensors
    with monkeypatch.context() as patch:
        patch.setattr(conversions, "_tensors", stop)
        with pytest.raises(KeyboardInterrupt):
            convert(plan(source, "original"), tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    convert(plan(source, "original"), tmp_path / "killed")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
def test_no_more_than_a_tensor_is_in_memory(tmp_path):
    """In a process of its own: what converting adds to its peak is far below what the model weighs."""
    script = Path(__file__).resolve().parents[3] / "benchmarks" / "convert_memory.py"
    command = [sys.executable, script, "--layers", "1", "--vocabulary", "9000", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["same_bytes"]
    assert found["added_bytes"] < 2 * found["largest_bytes"] + 200 * 2**20 < found["all_bytes"]


def test_a_model_of_8b_is_planned_in_no_memory():
    script = Path(__file__).resolve().parents[3] / "benchmarks" / "convert_memory.py"
    command = [sys.executable, script, "--preset", "plm_8b", "--plan", "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found["all_bytes"] > 19e9
    assert found["added_bytes"] < 100 * 2**20

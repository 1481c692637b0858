"""A Perception Encoder and a Llama, each in its own files, become one model that both libraries load."""

from __future__ import annotations

import json

import pytest
import torch
from agreement import check_agreement
from oracle import timm, transformers
from safetensors.torch import load_file, save_file

from perceptlm.assemble import assemble, plan_assembly
from perceptlm.cli.main import run
from perceptlm.errors import ConfigError, DataError, UsageError, WeightsError
from perceptlm.model import VisionConfig
from perceptlm.model import perception_encoders as encoders
from perceptlm.model.vision_encoder import VisionTransformer
from perceptlm.model.weights import own_checkpoints, vision_layouts
from perceptlm.model.weights.rules import within, write_tensors
from perceptlm.preprocess.chat_format import CHATML, LLAMA_3
from perceptlm.preprocess.tokenizer import train_tokenizer
from perceptlm.pretrained import load

TINY = VisionConfig(
    image_size=32, patch_size=8, width=64, num_layers=3, num_heads=1, norm_post=True, pool="attention", output_width=24,
    layer_scale=None,
)  # fmt: skip
TEXTS = ["What does the red circle do? It stops. You are a helpful language and vision assistant."] * 9


@pytest.fixture(autouse=True)
def tiny_release(monkeypatch):
    """A release small enough for a test, beside the real ones."""
    releases = dict(encoders.PERCEPTION_ENCODERS) | {"PE-Core-Tiny": TINY}
    monkeypatch.setattr(own_checkpoints, "PERCEPTION_ENCODERS", releases)


@pytest.fixture(scope="module")
def tower():
    torch.manual_seed(0)
    made = VisionTransformer(TINY)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            parameter.normal_(1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.1)
    return made.eval()


@pytest.fixture
def vision_file(tower, tmp_path):
    """The encoder's `.pt`, as PE-Core's: vision under `visual.`, a text tower beside it."""
    rules = within(vision_layouts.original_layout(TINY), memory="", file="module.visual.")
    tensors = write_tensors(rules, tower.state_dict()) | {"token_embedding.weight": torch.ones(3, 2)}
    torch.save({"state_dict": tensors}, tmp_path / "PE-Core-Tiny.pt")
    return tmp_path / "PE-Core-Tiny.pt"


def tokenizer_json(chat):
    """A Llama's own tokenizer: no placeholders, but spare special tokens."""
    backend = json.loads(train_tokenizer(TEXTS, 320).to_json())
    names = [name for name in chat.special_tokens if name not in ("<|image|>", "<|video|>")] + list(chat.spare)
    first = min(token["id"] for token in backend["added_tokens"])
    backend["added_tokens"] = [
        {**backend["added_tokens"][0], "id": first + number, "content": name} for number, name in enumerate(names)
    ]
    return json.dumps(backend), first + len(names)


def llama(vocab_size, *, tied=True):
    torch.manual_seed(1)
    settings = transformers.LlamaConfig(
        vocab_size=vocab_size, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=80, max_position_embeddings=900, rms_norm_eps=1e-5, tie_word_embeddings=tied,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(settings).eval()


@pytest.fixture(params=[LLAMA_3, CHATML], ids=lambda chat: chat.name)
def decoder_dir(request, tmp_path):
    text, vocab_size = tokenizer_json(request.param)
    llama(vocab_size).save_pretrained(tmp_path / "llama")
    (tmp_path / "llama" / "tokenizer.json").write_text(text)
    return tmp_path / "llama"


def test_both_parts_compute_what_they_did(vision_file, decoder_dir, tower, tmp_path):
    planned = plan_assembly(vision_file, decoder_dir, tile_size=48, num_vision_layers=2, seed=3)
    assemble(planned, tmp_path / "out")
    made = load(tmp_path / "out")
    assert made.model.config == planned.config
    # the decoder: on text alone, the Llama's logits
    ids = torch.tensor([made.processor.tokenizer.encode("What does the red circle do?")])
    theirs = transformers.LlamaForCausalLM.from_pretrained(decoder_dir)
    with torch.no_grad():
        length = ids.shape[1]
        mask = torch.full((1, 1, length, length), -torch.inf).triu(1)
        hidden = made.model.decoder(made.model.decoder.embed(ids), torch.arange(length)[None], mask, None)
        torch.testing.assert_close(made.model.decoder.logits(hidden), theirs(ids).logits, rtol=0, atol=2e-5)
    # the encoder: its own tokens after two blocks, at a size for which it interpolates itself
    pictures = torch.rand(2, 3, 48, 48) * 2 - 1
    tokens = []
    handle = tower.blocks[1].register_forward_hook(lambda _module, _given, found: tokens.append(found))
    with torch.no_grad():
        tower(pictures)
        handle.remove()
        torch.testing.assert_close(made.model.vision_encoder(pictures), tokens[0][:, 1:], rtol=0, atol=1e-6)
    # `transformers` loads it with no extra step, and agrees
    check_agreement(tmp_path / "out", "What does it do?", width=90, height=60)
    stops = {made.processor.tokenizer.decode([number], keep_special=True) for number in made.processor.stop_token_ids}
    assert stops == {made.processor.tokenizer.chat.end_of_text, made.processor.tokenizer.chat.end_of_turn}


def test_the_same_seed_gives_the_same_bytes_and_another_another_projector(vision_file, decoder_dir, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assemble(plan_assembly(vision_file, decoder_dir, seed=seed), tmp_path / name)
    first, same, other = (load_file(tmp_path / name / "model.safetensors") for name in "abc")
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()
    assert first.keys() == same.keys() == other.keys()
    assert {name for name in first if not torch.equal(first[name], other[name])} == {
        f"model.multi_modal_projector.linear_{k}.{kind}" for k in (1, 2) for kind in ("weight", "bias")
    }


def test_gains_are_added_on_request_and_types_converted(vision_file, decoder_dir, tmp_path):
    assemble(plan_assembly(vision_file, decoder_dir, layer_scale=0.1, dtype=torch.bfloat16), tmp_path / "out")
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    gains = [tensor for name, tensor in tensors.items() if "gamma" in name]
    assert len(gains) == 6
    assert all((gain == torch.tensor(0.1, dtype=torch.bfloat16)).all() for gain in gains)
    assert load(tmp_path / "out").model.config.vision.layer_scale == 0.1


@pytest.mark.parametrize("output", ["absent", "repeated", "another"])
def test_an_original_llama_gives_the_model_that_transformers_gives(vision_file, tmp_path, output):
    text, vocab_size = tokenizer_json(LLAMA_3)
    theirs = llama(vocab_size, tied=output != "another")
    theirs.save_pretrained(tmp_path / "llama")
    (tmp_path / "llama" / "tokenizer.json").write_text(text)
    found = own_checkpoints.read_decoder(tmp_path / "llama")
    state = dict(own_checkpoints_state(found))
    original = tmp_path / "original"
    original.mkdir()
    from perceptlm.model.weights.decoder_layouts import original_layout

    tensors = write_tensors(original_layout(found.config), state)
    tied = tensors.pop("output.tied_module.weight", None)
    if output == "repeated":
        tensors["output.weight"] = tied.clone()
    torch.save(tensors, original / "consolidated.00.pth")
    params = {
        "dim": 48, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "vocab_size": vocab_size, "multiple_of": 1,
        "ffn_dim_multiplier": 80.5 / 128, "norm_eps": 1e-5, "rope_theta": 10000.0, "use_scaled_rope": False,
    }  # fmt: skip
    (original / "params.json").write_text(json.dumps(params))
    (original / "tokenizer.json").write_text(text)
    for name in ("llama", "original"):
        assemble(plan_assembly(vision_file, tmp_path / name), tmp_path / f"{name}-out")
    weights = [(tmp_path / f"{name}-out" / "model.safetensors").read_bytes() for name in ("llama", "original")]
    assert weights[0] == weights[1]
    assert load(tmp_path / "original-out").model.config.decoder.tie_embeddings == (output != "another")


def own_checkpoints_state(found):
    from perceptlm.model.weights.rules import read_state

    return read_state(found.rules, found.reader.read)


def test_timm_s_files_are_read_too(decoder_dir, tower, vision_file, tmp_path):
    folder = tmp_path / "timm"
    folder.mkdir()
    save_file(write_tensors(vision_layouts.timm_layout(TINY), tower.state_dict()), folder / "model.safetensors")
    for name, source in (("a", vision_file), ("b", folder)):
        assemble(plan_assembly(source, decoder_dir, release="PE-Core-Tiny"), tmp_path / name)
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


def test_a_real_release_of_timm_is_read(decoder_dir, tmp_path):
    made = timm.create_model("vit_pe_core_tiny_patch16_384")
    folder = tmp_path / "timm"
    folder.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in made.state_dict().items()}, folder / "model.safetensors")
    planned = plan_assembly(folder, decoder_dir, release="PE-Core-T16-384")
    assert (planned.config.vision.num_layers, planned.config.layout.tokens_per_picture) == (12, 144)


def test_what_does_not_fit_is_named(vision_file, decoder_dir, tmp_path):
    with pytest.raises(UsageError, match="'other' is no release"):
        plan_assembly(vision_file, decoder_dir, release="other")
    with pytest.raises(WeightsError, match=r"PE-Core-Tiny\.pt: visual\."):
        plan_assembly(vision_file, decoder_dir, release="PE-Core-T16-384")
    with pytest.raises(ConfigError, match="4 blocks are wanted, but there are 3"):
        plan_assembly(vision_file, decoder_dir, num_vision_layers=4)
    with pytest.raises(ConfigError, match="neither config"):
        plan_assembly(vision_file, tmp_path)
    text = (decoder_dir / "tokenizer.json").read_text()
    for name, message in {
        "<repo_name>": "has no special token <repo_name>",
        "<|reserved_special_token_0|>": "has no special token <|reserved",
        "<|im_start|>": "the special tokens of no chat format",
        "<|start_header_id|>": "the special tokens of no chat format",
    }.items():
        if name in text:
            (decoder_dir / "tokenizer.json").write_text(text.replace(name, "<other>"))
            with pytest.raises(DataError, match=message.replace("|", "\\|")):
                plan_assembly(vision_file, decoder_dir)
    (decoder_dir / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"has no tokenizer\.json"):
        plan_assembly(vision_file, decoder_dir)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tile_size": 50}, "image_size 50 is not a multiple of patch_size 8"),
        ({"pooling_ratio": 7}, "pooling_ratio 7 does not divide"),
        ({"layer_scale": float("nan")}, "layer_scale"),
    ],
)
def test_shapes_that_cannot_be_are_refused_in_one_line(vision_file, decoder_dir, settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        plan_assembly(vision_file, decoder_dir, **settings)
    assert "\n" not in caught.value.message


def test_a_tokenizer_that_does_not_fit_or_is_none(vision_file, decoder_dir, tmp_path):
    larger = json.loads((decoder_dir / "tokenizer.json").read_text())
    last = max(token["id"] for token in larger["added_tokens"])
    larger["added_tokens"].append({**larger["added_tokens"][0], "id": last + 1, "content": "<pad>"})
    broken = {key: value for key, value in larger.items() if key != "model"}
    contents = {"larger": json.dumps(larger), "broken": json.dumps(broken), "empty": json.dumps(broken | {"model": []})}
    messages = {"larger": "the tokenizer has", "broken": "not a tokenizer", "empty": "not a tokenizer"}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        with pytest.raises((ConfigError, DataError), match=messages[name]):
            plan_assembly(vision_file, decoder_dir, tokenizer=tmp_path / name)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="binary: cannot be read"):
        plan_assembly(vision_file, decoder_dir, tokenizer=tmp_path / "binary")


def test_no_text_speaks_a_token_that_the_file_does_not_mark_as_special(vision_file, decoder_dir, tmp_path):
    path = decoder_dir / "tokenizer.json"
    path.write_text(path.read_text().replace('"special": true', '"special": false'))
    assemble(plan_assembly(vision_file, decoder_dir), tmp_path / "out")
    tokenizer = load(tmp_path / "out").processor.tokenizer
    special = {tokenizer.special_id(name) for name in tokenizer.chat.special_tokens}
    for name in tokenizer.chat.special_tokens:
        assert not special & set(tokenizer.encode(f"a {name} b"))
    spoilt = tmp_path / "out" / "tokenizer.json"
    spoilt.write_text(spoilt.read_text().replace('"special": true', '"special": false'))
    with pytest.raises(DataError, match="any text could speak the token"):
        load(tmp_path / "out")


@pytest.mark.parametrize("interleaved", [False, True])
def test_a_llama_s_record_as_it_is_published(decoder_dir, interleaved):
    path = decoder_dir / "config.json"
    published = {"is_llama_config": True, "rope_interleaved": interleaved, "transformers.js_config": {"dtype": "q4"}}
    path.write_text(json.dumps(json.loads(path.read_text()) | published))
    if interleaved:
        with pytest.raises(ConfigError, match="'rope_interleaved' is True"):
            own_checkpoints.read_decoder(decoder_dir)
    else:
        assert own_checkpoints.read_decoder(decoder_dir).config.num_layers == 2


def test_the_command(vision_file, decoder_dir, tmp_path, capsys):
    arguments = [
        "weights",
        "assemble",
        str(tmp_path / "out"),
        "--vision",
        str(vision_file),
        "--decoder",
        str(decoder_dir),
    ]
    assert run([*arguments, "--dry-run"]) == 0
    assert "would write" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["written"]
    assert found["config"]["vision"]["image_size"] == 32
    assert run(["weights", "info", str(tmp_path / "out")]) == 0
    assert run(arguments) != 0
    assert "is there already" in capsys.readouterr().err

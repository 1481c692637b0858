"""An original checkpoint with its own tokenizer file becomes a directory that both libraries load, with a processor."""

from __future__ import annotations

import base64
import json

import torch
from agreement import check_agreement

from perceptlm.cli.main import run
from perceptlm.model import DecoderConfig, PerceptionLM, PLMConfig, VisionConfig
from perceptlm.model.weights import original_config
from perceptlm.model.weights.layouts import original_layout
from perceptlm.model.weights.rules import write_tensors
from perceptlm.pretrained import load


def test_an_original_with_its_own_tokenizer(tmp_path, capsys):
    vision = VisionConfig(image_size=28, patch_size=7, width=32, num_layers=1, num_heads=2)
    decoder = DecoderConfig(
        vocab_size=256 + 256, width=32, num_layers=1, num_heads=4, num_kv_heads=2, head_dim=8, mlp_width=48,
        max_positions=600,
    )  # fmt: skip
    config = PLMConfig(vision=vision, decoder=decoder, pooling_ratio=2, image_token_id=258, video_token_id=259)
    model = PerceptionLM(config)
    model.initialise(0)
    source = tmp_path / "source"
    source.mkdir()
    torch.save(write_tensors(original_layout(config), model.state_dict()), source / "consolidated.pth")
    params = original_config.to_params(config) | {"data": {"max_num_tiles": 4, "vision_input_type": "thumb+tile"}}
    (source / "params.json").write_text(json.dumps(params))
    lines = [base64.b64encode(bytes([byte])) + b" %d" % byte for byte in range(256)]
    (source / "tokenizer.model").write_bytes(b"\n".join(lines) + b"\n")

    assert run(["weights", "convert", str(source), str(tmp_path / "out")]) == 0
    ours = check_agreement(tmp_path / "out", "Été?", width=60, height=30)
    assert ours.processor.config.max_tiles == 4

    vision_params = params["model"]["vision_model"]
    vision_params["pretrain_image_size"] = vision_params.pop("image_size")
    (source / "params.json").write_text(json.dumps(params))
    assert run(["weights", "convert", str(source), str(tmp_path / "same")]) == 0
    assert load(tmp_path / "same").processor.config == ours.processor.config

    params["perceptlm"]["image_token_id"] = 300
    (source / "params.json").write_text(json.dumps(params))
    for extra in ([], ["--dry-run"]):
        capsys.readouterr()
        assert run(["weights", "convert", str(source), str(tmp_path / "again"), *extra]) != 0
        assert "disagree on the image_token_id" in " ".join(capsys.readouterr().err.split())
    (source / "tokenizer.model").write_bytes(b"AA== 1\n")
    capsys.readouterr()
    assert run(["weights", "convert", str(source), str(tmp_path / "again")]) != 0
    assert "tokenizer.model:1:notatoken" in "".join(capsys.readouterr().err.split())
    assert not (tmp_path / "again").exists()

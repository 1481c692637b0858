import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from perceptlm import artifact
from perceptlm.errors import ConfigError, DataError, MediaError, PerceptLMError, UsageError, WeightsError
from perceptlm.media.image import write_png
from perceptlm.media.write_video import write_video
from perceptlm.model import DecoderConfig, PerceptionLM, PLMConfig, VisionConfig
from perceptlm.preprocess.processor import Processor, ProcessorConfig
from perceptlm.preprocess.tokenizer import train_tokenizer
from perceptlm.pretrained import LoadedModel, load, save_pretrained
from perceptlm.schema import Turn


@pytest.fixture(scope="module")
def made() -> LoadedModel:
    tokenizer = train_tokenizer(["What does the red circle do? It stops."] * 9, 300)
    vision = VisionConfig(image_size=16, patch_size=4, width=32, num_layers=1, num_heads=2)
    decoder = DecoderConfig(
        vocab_size=tokenizer.vocab_size, width=32, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8,
        mlp_width=48, max_positions=600,
    )  # fmt: skip
    image_token_id = tokenizer.special_id("<|image|>")
    config = PLMConfig(vision=vision, decoder=decoder, pooling_ratio=2, image_token_id=image_token_id)
    model = PerceptionLM(config)
    model.initialise(0)
    settings = ProcessorConfig(layout=config.layout, num_frames=4, max_tiles=4, max_tokens=400)
    return LoadedModel(model.eval(), Processor(settings, tokenizer))


@pytest.fixture
def directory(made: LoadedModel, tmp_path: Path) -> Path:
    made.save(tmp_path / "model")
    return tmp_path / "model"


def rewrite_weights(directory: Path, change) -> None:
    path = directory / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def rewrite_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_saved_is_loaded_and_saved_again_byte_for_byte(made, directory, tmp_path):
    loaded = load(directory)
    assert loaded.model.config == made.model.config
    assert not loaded.model.training
    for name, tensor in made.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor)
    loaded.save(tmp_path / "again")
    files = sorted(path.name for path in directory.iterdir())
    assert {"config.json", "generation_config.json", "model.safetensors"} <= set(files)
    assert files == sorted(path.name for path in (tmp_path / "again").iterdir())
    for name in files:
        assert (directory / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_loaded_weights_can_be_trained(directory):
    model = load(directory).model
    with torch.no_grad():
        model.decoder.embedding.add_(1.0)
    assert all(p.requires_grad and p.is_leaf for p in model.parameters())
    assert not torch.equal(load(directory).model.decoder.embedding, model.decoder.embedding)


def test_half_precision_halves_every_tensor_and_answers(directory):
    loaded = load(directory, dtype="bfloat16")
    assert {p.dtype for p in loaded.model.parameters()} == {torch.bfloat16}
    full = load(directory).logits("What?")
    half = loaded.logits("What?").float()
    assert float((full - half).abs().mean()) < 0.05
    assert isinstance(loaded.generate("What?", max_new_tokens=3), str)


def test_answers_about_files_and_arrays_are_the_same(directory, tmp_path):
    loaded = load(directory)
    frames = np.random.default_rng(0).integers(0, 256, (9, 32, 48, 3), dtype=np.uint8)
    write_png(tmp_path / "image.png", frames[0])
    write_video(tmp_path / "clip.mp4", frames, 8)
    turns = (Turn(role="system", text="Be brief."), Turn(role="user", text="What does it do?"))
    for prompt in ("What does it do?", turns):
        torch.testing.assert_close(
            loaded.logits(prompt, images=[tmp_path / "image.png"]), loaded.logits(prompt, images=[frames[0]])
        )
    answer = loaded.generate("What does it do?", videos=[str(tmp_path / "clip.mp4")], max_new_tokens=5)
    assert answer == loaded.generate("What does it do?", videos=[str(tmp_path / "clip.mp4")], max_new_tokens=5)
    shown = loaded.request("What?", videos=[frames]).media[0].pictures
    assert [int((frame == frames).all(axis=(1, 2, 3)).argmax()) for frame in shown] == [0, 3, 5, 8]
    assert len(loaded.request("What?", videos=[frames], num_frames=2).media[0].pictures) == 2
    with pytest.raises(MediaError, match=r"none.mp4"):
        loaded.generate("What?", videos=[tmp_path / "none.mp4"])


def test_revision_names_the_weights(made, directory, tmp_path):
    assert load(directory).revision() == made.revision()
    rewrite_weights(directory, lambda tensors: tensors["model.language_model.norm.weight"].add_(1))
    assert load(directory).revision() != made.revision()
    published = artifact.build(
        tmp_path / "published", kind="model", recipe={}, make=lambda d: save_pretrained(d, made.model, made.processor)
    )
    assert load(published).revision() == artifact.read_manifest(published).digest


def test_wrong_tensors_are_named(directory):
    rewrite_weights(directory, lambda tensors: tensors.pop("model.language_model.norm.weight"))
    with pytest.raises(WeightsError, match=r"model: model\.language_model\.norm\.weight is missing"):
        load(directory)


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (
            lambda d: (d / "model.safetensors").write_bytes(b"\x80\x04pickle"),
            WeightsError,
            "not a readable safetensors",
        ),
        (lambda d: (d / "model.safetensors").unlink(), WeightsError, r"model.safetensors: missing"),
        (lambda d: (d / "config.json").write_text("{"), ConfigError, r"config.json: cannot be read"),
        (lambda d: (d / "config.json").write_text("[]"), ConfigError, r"config.json: expected keys"),
        (lambda d: (d / "config.json").unlink(), ConfigError, r"config.json: missing"),
        (lambda d: rewrite_json(d / "config.json", image_tokn=3), ConfigError, r"unknown key 'image_tokn'"),
        (lambda d: rewrite_json(d / "config.json", image_token_id=1), ConfigError, r"disagree on the image_token_id"),
        (lambda d: rewrite_json(d / "config.json", projector_pooling_ratio=1), ConfigError, r"disagree on the picture"),
    ],
)
def test_spoilt_directories_are_refused_in_one_sentence(directory, spoil, error, message):
    spoil(directory)
    with pytest.raises(error, match=message):
        load(directory)


def test_missing_directory_and_unknown_dtype(tmp_path, directory):
    with pytest.raises(PerceptLMError, match="no such model directory"):
        load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="float16"):
        load(directory, dtype="float16")


def test_packed_and_batched_logits_are_those_of_one_alone(made):
    """Text, images of few and many tiles, several images before and within the text, videos of few and many frames."""
    random = np.random.default_rng(0)

    def picture(width, height):
        return random.integers(0, 256, (height, width, 3), dtype=np.uint8)

    shown = [{}, {"videos": [[picture(20, 30)] * 2]}, {"videos": [[picture(9, 9) for _ in range(6)]]}]
    shown += [{"images": [picture(*size)]} for size in ((16, 16), (40, 10), (33, 60))]
    shown += [{"images": [picture(9, 9), picture(40, 9)]}, {"images": [picture(9, 9), picture(40, 9), picture(1, 1)]}]
    asked = ["What does it do?"] * 7 + ["<image>: is <image> in <image>?"]
    examples = [
        made.processor.prompt(made.request(prompt, **media, id=str(number)))
        for number, (prompt, media) in enumerate(zip(asked, shown, strict=True))
    ]
    assert len({len(example.pictures) for example in examples}) > 4
    single = {}
    with torch.no_grad():
        for example in examples:
            batch = made.processor.collate([example])
            (single[example.ids[0]],) = made.model(batch)
        for max_tokens in (None, 400):
            batch = made.processor.collate(examples, max_tokens=max_tokens)
            assert len(batch.input_ids) < (len(examples) + (max_tokens is None))
            logits = made.model(batch)
            for group, (name,) in enumerate(batch.ids):
                torch.testing.assert_close(logits[batch.group == group], single[name], rtol=0, atol=1e-5)


def test_a_region_is_shown_and_said(made):
    from perceptlm.schema.regions import box_tracks

    image = np.full((20, 40, 3), 90, np.uint8)
    plain = made.request("What?", images=[image])
    drawn = made.request("What?", images=[image], regions=box_tracks(["10,5,30,15"]))
    assert not (drawn.media[0].pictures[0] == plain.media[0].pictures[0]).all()
    said = made.request("In <|bbox0|>?", images=[image], regions=box_tracks(["10,5,30,15"], shown_as="text"))
    assert said.turns[0].text == "In [250,250,750,750]?"
    assert (said.media[0].pictures[0] == image).all()
    assert made.request("In <|bbox0|>?", images=[image]).turns[0].text == "In <|bbox0|>?"
    answered = (Turn(role="user", text="Where?"), Turn(role="assistant", text="<|bbox9|>"), Turn(role="user", text="?"))
    assert made.request(answered, images=[image], regions=box_tracks(["1,1,9,9"])).turns == answered
    shown = {"images": [image], "regions": box_tracks(["10,5,30,15"], shown_as="dim")}
    assert not torch.equal(made.logits("What?", **shown), made.logits("What?", images=[image]))
    assert isinstance(made.generate("What?", **shown, max_new_tokens=2), str)
    for media, text in (({"images": [image]}, "What?"), ({"videos": [[image]]}, "In <|bbox0|>?")):
        with pytest.raises(DataError, match=r"is shown as text, but no question says|is not a box of an image"):
            made.request(text, **media, regions=box_tracks(["1,1,9,9"], shown_as="text"))
    for media in ({}, {"images": [image, image]}, {"images": [image], "videos": [[image]]}):
        with pytest.raises(DataError, match="regions need exactly one image or video"):
            made.request("What?", **media, regions=box_tracks(["1,1,9,9"]))

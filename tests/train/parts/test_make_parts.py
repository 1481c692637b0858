"""train.parts: a part is made, goes on after a kill to the same bytes, can be reproduced, and fits its model only."""

import json
import os
import zlib

import pytest
import torch
from safetensors.torch import load_file

from perceptlm.artifact import partial_path, read_manifest, verify
from perceptlm.config import dump_yaml, parse
from perceptlm.errors import ArtifactError, ConfigError, UsageError, WeightsError
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.recipes.demo import demo
from perceptlm.recipes.parts import part_path
from perceptlm.recipes.parts_tiny import (
    TINY_PARTS,
    decoder_tiny,
    encoder_tiny,
    projector_tiny,
    sharp_vision_tiny,
    timed_decoder_tiny,
    vision_tiny,
    words_tiny,
)
from perceptlm.train.parts import loop, make_parts
from perceptlm.train.parts.make_parts import (
    PART_KINDS,
    SCENE_VECTORS,
    WEIGHTS,
    make_part,
    needed_parts,
    put_in,
    read_tokenizer,
    recipe_type,
)
from perceptlm.train.parts.scene_vectors import read_scene_vectors
from perceptlm.workflow.reproduce import reproduce

ENCODER_SIZE = {"num_chunks": 3, "batches_per_chunk": 1, "num_scenes": 2, "num_frames": 1, "checkpoint_every": 1}
NUM_FRAMES = 9  # of such a small vocabulary: numbers of one token each
RECIPES = {
    "words": words_tiny().model_copy(
        update={"vocab_size": 400, "num_clips": 24, "num_images": 16, "num_frames": NUM_FRAMES}
    ),
    "encoder": encoder_tiny().model_copy(update=ENCODER_SIZE),
    "projector": projector_tiny().model_copy(update=ENCODER_SIZE),
    "vision": vision_tiny().model_copy(
        update={**ENCODER_SIZE, "num_threads": 1, "num_measured_chunks": 1, "frames_per_measured_clip": 3}
    ),
    "decoder": decoder_tiny().model_copy(
        update={
            "num_chunks": 2,
            "num_picture_chunks": 1,
            "pictures_per_picture_chunk": 3,
            "clips_per_chunk": 3,
            "images_per_chunk": 2,
            "motion_clips_per_chunk": 4,
            "num_threads": 1,
            "num_frames": NUM_FRAMES,
            "checkpoint_every": 1,
            "validate_every": 2,
        }
    ),
}
ENCODER = RECIPES["encoder"]
SHIPPED = (
    "decoder_tiny",
    "encoder_tiny",
    "projector_tiny",
    "sharp_vision_tiny",
    "timed_decoder_tiny",
    "vision_tiny",
    "words_tiny",
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """One part of every kind, made from each other."""
    root, made = tmp_path_factory.mktemp("parts"), {}
    for kind in PART_KINDS:
        inputs = {needed: made[needed] for needed in needed_parts(kind)}
        made[kind] = make_part(kind, root / kind, RECIPES[kind], inputs=inputs, seed=1)
    return made


@pytest.fixture(scope="module")
def encoder(parts):
    return parts["encoder"]


@pytest.fixture(scope="module")
def decoder(parts):
    return parts["decoder"]


def _fresh(decoder=None):
    vocab = read_tokenizer(decoder).vocab_size if decoder else 300
    model = PerceptionLM(PRESETS["tiny"](vocab, 1))
    model.initialise(9)
    return model


@pytest.mark.parametrize("kind", ["encoder", "projector", "vision", "decoder"])
def test_parts_verify_and_log_every_chunk(kind, parts):
    assert verify(parts[kind]) == []
    lines = [json.loads(line) for line in (parts[kind] / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(RECIPES[kind].num_chunks))
    assert "validation" in lines[-1]
    assert all(line["figures"] for line in lines)


def test_projector_and_decoder_agree_on_the_words(parts):
    vectors = read_scene_vectors(parts["words"] / SCENE_VECTORS)
    decoder = load_file(parts["decoder"] / WEIGHTS)["decoder.embedding"][torch.from_numpy(vectors.token_ids)].float()
    alike = torch.nn.functional.cosine_similarity(decoder, torch.from_numpy(vectors.tokens))
    assert alike.min() > 0.999
    assert read_tokenizer(parts["decoder"]).to_json() == read_tokenizer(parts["words"]).to_json()


def test_weights_change_only_in_their_own_part(encoder):
    model, untouched = _fresh(), _fresh()
    put_in(model, encoder)
    before = dict(untouched.named_parameters())
    saved = load_file(encoder / WEIGHTS)
    for name, parameter in model.named_parameters():
        if name.startswith("vision_encoder."):
            torch.testing.assert_close(parameter, saved[name].float(), rtol=0, atol=0)
        else:
            assert torch.equal(parameter, before[name])


def test_a_killed_run_goes_on_to_the_same_bytes(encoder, tmp_path, monkeypatch):
    learn = loop._learn

    def killed(course, recipe, optimiser, number, batches):
        if number == 2:
            raise KeyboardInterrupt
        return learn(course, recipe, optimiser, number, batches)

    out = tmp_path / "encoder"
    monkeypatch.setattr(loop, "_learn", killed)
    with pytest.raises(KeyboardInterrupt):
        make_part("encoder", out, ENCODER, inputs={}, seed=1)
    assert sorted(os.listdir(partial_path(out) / "state")) == ["00000002", "CACHEDIR.TAG"]
    monkeypatch.setattr(loop, "_learn", learn)
    make_part("encoder", out, ENCODER, inputs={}, seed=1)
    assert read_manifest(out).digest == read_manifest(encoder).digest


def test_parts_whose_measuring_was_killed_goes_on_to_the_same_bytes(parts, tmp_path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    inputs = {kind: parts[kind] for kind in needed_parts("vision")}
    with monkeypatch.context() as patch:
        patch.setattr(make_parts, "misreading_of", killed)
        with pytest.raises(KeyboardInterrupt):
            make_part("vision", tmp_path / "vision", RECIPES["vision"], inputs=inputs, seed=1)
    monkeypatch.setattr(make_parts, "teach", killed)
    again = make_part("vision", tmp_path / "vision", RECIPES["vision"], inputs=inputs, seed=1)
    assert read_manifest(again).digest == read_manifest(parts["vision"]).digest


@pytest.mark.parametrize("kind", ["words", "projector", "vision", "decoder"])
def test_a_part_is_reproduced_byte_for_byte(kind, parts, tmp_path):
    assert reproduce(parts[kind], work=tmp_path / "again").equal


def test_a_part_is_made_from_the_parts_it_needs(parts, tmp_path):
    with pytest.raises(UsageError, match="part 'decoder' is made from words, vision, not from words"):
        make_part("decoder", tmp_path / "out", RECIPES["decoder"], inputs={"words": parts["words"]}, seed=1)
    wrong = {"words": parts["words"], "vision": parts["encoder"]}
    with pytest.raises(ArtifactError):
        make_part("decoder", tmp_path / "out", RECIPES["decoder"], inputs=wrong, seed=1)
    with pytest.raises(UsageError, match="no part 'retina'") as error:
        needed_parts("retina")
    assert "words, encoder, projector, vision, decoder" in str(error.value.hint)


def test_a_decoder_goes_on_from_a_decoder(parts, tmp_path):
    recipe = RECIPES["decoder"].model_copy(
        update={
            "num_chunks": 1,
            "num_picture_chunks": 0,
            "timing_clips_per_chunk": 2,
            "precision": "fp32",
            "learning_rate": 1e-6,
        }
    )
    inputs = {kind: parts[kind] for kind in ("words", "vision", "decoder")}
    gone_on = make_part("decoder", tmp_path / "gone_on", recipe, inputs=inputs, seed=2)
    before, after = (load_file(part / WEIGHTS) for part in (parts["decoder"], gone_on))
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name].float(), value.float(), atol=2e-3, rtol=2e-3)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert reproduce(gone_on, work=tmp_path / "again").equal


def test_a_decoder_of_other_words_is_not_gone_on_from(parts, tmp_path):
    inputs = {kind: parts[kind] for kind in ("words", "vision")} | {"decoder": part_path("decoder_tiny")}
    with pytest.raises(UsageError, match="different tokenizers"):
        make_part("decoder", tmp_path / "out", RECIPES["decoder"], inputs=inputs, seed=1)


def test_recipes_of_older_parts_are_written_as_they_were():
    text = (part_path("decoder_tiny") / "recipe.yaml").read_text()
    assert dump_yaml(decoder_tiny()) == text
    assert "precision: fp32" in dump_yaml(timed_decoder_tiny())


def test_a_part_of_another_vocabulary_is_refused(decoder):
    with pytest.raises(WeightsError, match=r"part\.safetensors.*decoder\.embedding"):
        put_in(_fresh(), decoder)


def test_what_is_no_part_is_refused(encoder, tmp_path):
    with pytest.raises(ArtifactError):
        put_in(_fresh(), tmp_path)
    with pytest.raises(ConfigError, match="unknown preset 'huge'"):
        make_part("encoder", tmp_path / "out", ENCODER.model_copy(update={"preset": "huge"}), inputs={}, seed=0)


def test_the_shipped_parts_are_whole_and_of_the_recipes_that_are_here():
    shipped = {kind: part_path(f"{kind}_tiny") for kind in TINY_PARTS}
    assert tuple(shipped) == PART_KINDS
    for kind, path in shipped.items():
        assert verify(path) == []
        assert parse(recipe_type(kind), read_manifest(path).recipe, source="manifest") == TINY_PARTS[kind]()
        inputs = {name: entry.digest for name, entry in read_manifest(path).inputs.items()}
        assert inputs == {name: read_manifest(shipped[name]).digest for name in needed_parts(kind)}


def test_the_sharper_vision_is_the_same_for_longer():
    path = part_path("sharp_vision_tiny")
    assert verify(path) == []
    assert parse(recipe_type("vision"), read_manifest(path).recipe, source="manifest") == sharp_vision_tiny()
    assert read_manifest(path).inputs == read_manifest(part_path("vision_tiny")).inputs


def test_all_shipped_parts_are_small():
    files = [
        file.read_bytes()
        for path in part_path("words_tiny").parent.glob("*/manifest.json")
        for file in path.parent.iterdir()
        if file.is_file()
    ]
    assert sum(len(data) for data in files) < 24 * 2**20
    # What a wheel holds of them: it is packed with zlib's usual level.
    assert sum(len(zlib.compress(data)) for data in files) < 22e6
    # What models look and speak with: the rest is what these were made from.
    used = [part_path(name) for name in demo().parts.values()]
    assert sum(file.stat().st_size for path in used for file in path.iterdir() if file.is_file()) < 12e6


def test_the_timed_decoder_goes_on_from_the_other_and_sees_as_models_look():
    path = part_path("timed_decoder_tiny")
    assert verify(path) == []
    assert parse(recipe_type("decoder"), read_manifest(path).recipe, source="manifest") == timed_decoder_tiny()
    inputs = {name: entry.digest for name, entry in read_manifest(path).inputs.items()}
    named = {"words": "words_tiny", "vision": "sharp_vision_tiny", "decoder": "decoder_tiny"}
    assert inputs == {kind: read_manifest(part_path(name)).digest for kind, name in named.items()}


def test_the_shipped_parts_fit_the_tiny_model():
    model = _fresh(part_path("decoder_tiny"))
    for name in SHIPPED[:-1]:
        put_in(model, part_path(name))
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_an_unknown_part_names_those_there_are():
    with pytest.raises(ConfigError, match="no shipped part 'encoder_huge'") as error:
        part_path("encoder_huge")
    assert ", ".join(SHIPPED) in str(error.value.hint)

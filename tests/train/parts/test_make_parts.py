"""train.parts: a part is made, goes on after a kill to the same bytes, can be reproduced, and fits its model only."""

import json
import os

import pytest
import torch
from safetensors.torch import load_file

from perceptlm.artifact import partial_path, read_manifest, verify
from perceptlm.config import parse
from perceptlm.errors import ArtifactError, ConfigError, WeightsError
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.recipes.parts import part_path
from perceptlm.recipes.parts_tiny import decoder_tiny, encoder_tiny, projector_tiny
from perceptlm.train.parts import loop
from perceptlm.train.parts.configuration import DecoderRecipe, EncoderRecipe, ProjectorRecipe
from perceptlm.train.parts.make_parts import WEIGHTS, make_decoder, make_encoder, make_projector, put_in, read_tokenizer
from perceptlm.workflow.reproduce import reproduce

ENCODER_SIZE = {"num_chunks": 3, "batches_per_chunk": 1, "num_scenes": 2, "num_frames": 1, "checkpoint_every": 1}
ENCODER = encoder_tiny().model_copy(update=ENCODER_SIZE)
PROJECTOR = projector_tiny().model_copy(update=ENCODER_SIZE)
DECODER = decoder_tiny().model_copy(
    update={
        "num_chunks": 2,
        "num_picture_chunks": 1,
        "pictures_per_picture_chunk": 3,
        "clips_per_chunk": 3,
        "images_per_chunk": 2,
        "motion_clips_per_chunk": 4,
        "num_threads": 1,
        "num_tokenizer_chunks": 8,
        "num_frames": 9,  # of such a small vocabulary: numbers of one token each
        "vocab_size": 400,
        "checkpoint_every": 1,
        "validate_every": 2,
    }
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("parts") / "encoder", ENCODER, seed=1)


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return make_decoder(tmp_path_factory.mktemp("parts") / "decoder", DECODER, seed=1)


@pytest.fixture(scope="module")
def projector(tmp_path_factory, encoder, decoder):
    out = tmp_path_factory.mktemp("parts") / "projector"
    return make_projector(out, PROJECTOR, encoder=encoder, decoder=decoder, seed=1)


def _fresh(decoder=None):
    vocab = read_tokenizer(decoder).vocab_size if decoder else 300
    model = PerceptionLM(PRESETS["tiny"](vocab, 1))
    model.initialise(9)
    return model


def test_parts_verify_and_log_every_chunk(encoder, decoder, projector):
    for part, recipe in ((encoder, ENCODER), (decoder, DECODER), (projector, PROJECTOR)):
        assert verify(part) == []
        lines = [json.loads(line) for line in (part / "metrics.jsonl").read_text().splitlines()]
        assert [line["step"] for line in lines] == list(range(recipe.num_chunks))
        assert "validation" in lines[-1]
        assert all(line["figures"] for line in lines)


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
        make_encoder(out, ENCODER, seed=1)
    assert os.listdir(partial_path(out) / "state") == ["00000002"]
    monkeypatch.setattr(loop, "_learn", learn)
    make_encoder(out, ENCODER, seed=1)
    assert read_manifest(out).digest == read_manifest(encoder).digest


@pytest.mark.parametrize("part", ["decoder", "projector"])
def test_a_part_is_reproduced_byte_for_byte(part, request, tmp_path):
    assert reproduce(request.getfixturevalue(part), work=tmp_path / "again").equal


def test_a_part_of_another_vocabulary_is_refused(decoder):
    with pytest.raises(WeightsError, match=r"part\.safetensors.*decoder\.embedding"):
        put_in(_fresh(), decoder)


def test_what_is_no_part_is_refused(encoder, tmp_path):
    with pytest.raises(ArtifactError):
        put_in(_fresh(), tmp_path)
    with pytest.raises(ConfigError, match="unknown preset 'huge'"):
        make_encoder(tmp_path / "out", ENCODER.model_copy(update={"preset": "huge"}), seed=0)


def test_the_shipped_parts_are_whole_and_of_the_recipes_that_are_here():
    made_by = {
        "encoder_tiny": (EncoderRecipe, encoder_tiny()),
        "decoder_tiny": (DecoderRecipe, decoder_tiny()),
        "projector_tiny": (ProjectorRecipe, projector_tiny()),
    }
    for name, (recipe_type, recipe) in made_by.items():
        assert verify(part_path(name)) == []
        assert parse(recipe_type, read_manifest(part_path(name)).recipe, source="manifest") == recipe
    size = sum(file.stat().st_size for name in made_by for file in part_path(name).iterdir() if file.is_file())
    assert size < 24 * 2**20


def test_the_shipped_parts_fit_the_tiny_model():
    model = _fresh(part_path("decoder_tiny"))
    for name in ("encoder_tiny", "projector_tiny", "decoder_tiny"):
        put_in(model, part_path(name))
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_an_unknown_part_names_those_there_are():
    with pytest.raises(ConfigError, match="no shipped part 'encoder_huge'") as error:
        part_path("encoder_huge")
    assert "decoder_tiny, encoder_tiny, projector_tiny" in str(error.value.hint)

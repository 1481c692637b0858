"""train.parts.scene_vectors: words the decoder says look like its own, places lie on a curve."""

import numpy as np
import pytest
import torch

from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.recipes.parts import part_path
from perceptlm.train.parts.make_parts import read_tokenizer
from perceptlm.train.parts.scene_vectors import STD, SceneVectors
from perceptlm.world.scene_words import GROUPS, SLICES, WORDS


@pytest.fixture(scope="module")
def tokenizer():
    return read_tokenizer(part_path("decoder_tiny"))


@pytest.fixture(scope="module")
def decoder(tokenizer):
    model = PerceptionLM(PRESETS["tiny"](tokenizer.vocab_size, 1))
    model.initialise(4)
    return model.decoder


@pytest.fixture(scope="module")
def vectors(decoder, tokenizer):
    scene_vectors = SceneVectors(decoder, tokenizer, 5)
    with torch.no_grad():
        return scene_vectors(torch.eye(len(WORDS))).numpy()


def test_a_word_that_is_said_looks_like_its_token(decoder, tokenizer, vectors):
    for group in ("kind", "colour", "pattern"):
        for row, word in zip(vectors[SLICES[group]], GROUPS[group], strict=True):
            tokens = tokenizer.encode(f" {word}")
            mean = decoder.embedding.detach().numpy()[tokens].mean(axis=0)
            assert np.dot(row, mean) / np.linalg.norm(row) / np.linalg.norm(mean) > 0.99


def test_all_words_are_told_apart_and_of_one_size(vectors):
    assert np.linalg.matrix_rank(vectors) > 0.8 * len(WORDS)
    sizes = np.sqrt((vectors**2).mean(axis=1))
    assert sizes.min() > STD / 4
    assert sizes.max() < STD * 4


def test_near_places_look_more_alike_than_far_ones(vectors):
    for group in ("across", "down", "side"):
        rows = vectors[SLICES[group]]
        gaps = np.linalg.norm(rows - rows[:1], axis=1)
        assert gaps[1] < gaps[len(rows) // 2]
        assert gaps[1] < gaps[-1]
    rows = vectors[SLICES["turn"]]
    gaps = np.linalg.norm(rows - rows[:1], axis=1)
    assert gaps[1] == pytest.approx(gaps[-1], rel=0.5)
    assert gaps[1] < gaps[len(rows) // 2]


def test_only_its_own_vectors_count_as_its_parameters(decoder, tokenizer):
    scene_vectors = SceneVectors(decoder, tokenizer, 5)
    assert sorted(name for name, _ in scene_vectors.named_parameters()) == ["bias", "own"]
    scene_vectors(torch.eye(len(WORDS))).sum().backward()
    # Tied: what is learned of a word in a scene is learned of the word in a sentence.
    assert decoder.embedding.grad is not None
    decoder.embedding.grad = None

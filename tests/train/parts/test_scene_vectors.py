"""train.parts.scene_vectors: words the decoder says look like its own, places lie on a curve."""

import numpy as np
import pytest

from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.train.parts.scene_vectors import STD, draw_scene_vectors, hold_said_words, read_scene_vectors
from perceptlm.world.scene_words import GROUPS, SLICES, WORDS


@pytest.fixture(scope="module")
def drawn(tokenizer):
    return draw_scene_vectors(tokenizer, 192, 5)


@pytest.fixture(scope="module")
def decoder(tokenizer, drawn):
    model = PerceptionLM(PRESETS["tiny"](tokenizer.vocab_size, 1))
    model.initialise(4)
    hold_said_words(model.decoder, drawn)
    return model.decoder


def test_a_word_that_is_said_looks_like_its_token(decoder, tokenizer, drawn):
    for group in ("kind", "colour", "pattern"):
        for row, word in zip(drawn.words[SLICES[group]], GROUPS[group], strict=True):
            tokens = tokenizer.encode(f" {word}")
            mean = decoder.embedding.detach().numpy()[tokens].mean(axis=0)
            assert np.dot(row, mean) / np.linalg.norm(row) / np.linalg.norm(mean) > 0.99


def test_all_words_are_told_apart_and_of_one_size(drawn):
    assert np.linalg.matrix_rank(drawn.words) > 0.8 * len(WORDS)
    sizes = np.sqrt((drawn.words**2).mean(axis=1))
    assert sizes.min() > STD / 4
    assert sizes.max() < STD * 4


def test_near_places_look_more_alike_than_far_ones(drawn):
    for group in ("across", "down", "side"):
        rows = drawn.words[SLICES[group]]
        gaps = np.linalg.norm(rows - rows[:1], axis=1)
        assert gaps[1] < gaps[len(rows) // 2]
        assert gaps[1] < gaps[-1]
    rows = drawn.words[SLICES["turn"]]
    gaps = np.linalg.norm(rows - rows[:1], axis=1)
    assert gaps[1] == pytest.approx(gaps[-1], rel=0.5)
    assert gaps[1] < gaps[len(rows) // 2]


def test_held_embeddings_learn_nothing_and_all_others_do(decoder, drawn):
    decoder.embedding.square().sum().backward()
    held = np.zeros(len(decoder.embedding), bool)
    held[drawn.token_ids] = True
    learned = decoder.embedding.grad.abs().sum(dim=1).numpy() > 0
    np.testing.assert_array_equal(learned, ~held)
    decoder.embedding.grad = None


def test_they_are_read_as_they_were_drawn(drawn, tmp_path):
    (tmp_path / "v.safetensors").write_bytes(drawn.to_bytes())
    again = read_scene_vectors(tmp_path / "v.safetensors")
    for name in ("words", "bias", "tokens", "token_ids"):
        np.testing.assert_array_equal(getattr(again, name), getattr(drawn, name))
    assert again.words.shape == (len(WORDS), 192)

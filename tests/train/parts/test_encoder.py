"""train.parts.encoder: what counts how much in the dense objectives."""

import numpy as np
import pytest
import torch

from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.recipes.parts_tiny import encoder_tiny
from perceptlm.train.parts.encoder import EncoderTeacher
from perceptlm.train.parts.pictures import PictureBatch
from perceptlm.world.scene_words import SLICES, WORDS


@pytest.fixture(scope="module")
def teacher():
    model = PerceptionLM(PRESETS["tiny"](400, 5))
    model.initialise(0)
    return EncoderTeacher(model.vision_encoder, encoder_tiny(), seed=0)


def _figures(teacher, turns):
    """Return the figures of one picture of one thing that covers two patches whole, turned as `turns` say."""
    shares = np.zeros((1, 1, 64), np.float32)
    shares[..., 20:22] = 1
    words = np.zeros((1, 1, len(WORDS)), np.float32)
    words[..., SLICES["something"]] = 1
    words[0, 0, SLICES["turn"]] = turns
    with torch.no_grad():
        _, figures = teacher.loss(PictureBatch(np.zeros((1, 96, 96, 3), np.uint8), shares, words, ("a red ball",)))
    return figures


@pytest.mark.parametrize(
    ("turns", "weight"),
    [([1, 0, 0, 0, 0, 0, 0, 0], 2), ([0, 0, 0, 1, 0, 0, 0, 0], 24), ([0.5, 0.5, 0, 0, 0, 0, 0, 0], 13)],
)
def test_patches_of_turned_things_count_more_for_turns(teacher, turns, weight):
    figures = _figures(teacher, turns)
    assert figures["turn_loss"][1] == pytest.approx(weight)
    assert figures["across_loss"][1] == pytest.approx(0)


def test_what_is_not_there_is_not_asked(teacher):
    figures = _figures(teacher, [0] * 8)
    assert figures["turn_loss"] == (0, 0)
    assert figures["something_loss"][1] == 64

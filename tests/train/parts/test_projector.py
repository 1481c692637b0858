"""train.parts.projector: what is wanted of a picture is the sum of its words, and only what is tuned learns."""

import numpy as np
import pytest
import torch

from perceptlm.model.plm import PerceptionLM
from perceptlm.model.presets import PRESETS
from perceptlm.recipes.parts_tiny import vision_tiny
from perceptlm.train.parts.pictures import picture_chunk
from perceptlm.train.parts.projector import ProjectorTeacher, misreading_of
from perceptlm.world.scene_words import WORDS

RECIPE = vision_tiny().model_copy(
    update={"batches_per_chunk": 1, "num_scenes": 3, "num_measured_chunks": 2, "frames_per_measured_clip": 3}
)


@pytest.fixture(scope="module")
def model():
    model = PerceptionLM(PRESETS["tiny"](300, 1))
    model.initialise(2)
    return model


@pytest.fixture(scope="module")
def batch():
    return picture_chunk(RECIPE, 8, "train", 5, 0)[0]


def test_what_is_wanted_of_a_cell_is_the_mean_over_its_patches(model, vectors, batch):
    teacher = ProjectorTeacher(model, vectors, tuned=False)
    wanted = teacher.wanted(batch)
    assert wanted.shape == (len(batch.pictures), 16, model.config.decoder.width)
    patches = np.einsum("ntp,ntw->npw", batch.shares, batch.words).reshape(-1, 8, 8, len(WORDS))
    by_hand = np.stack(
        [patches[:, y : y + 2, x : x + 2].mean(axis=(1, 2)) for y in range(0, 8, 2) for x in range(0, 8, 2)]
    )
    np.testing.assert_allclose(wanted, by_hand.swapaxes(0, 1) @ vectors.words + vectors.bias, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("tuned", [False, True])
def test_the_encoder_learns_only_if_it_is_tuned(model, vectors, batch, tuned):
    teacher = ProjectorTeacher(model, vectors, tuned=tuned)
    model.zero_grad(set_to_none=True)
    loss, figures = teacher.loss(batch)
    loss.backward()
    assert {name.split(".")[0] for name, _ in teacher.named_parameters()} == (
        {"projector", "vision_encoder"} if tuned else {"projector"}
    )
    assert all(parameter.grad is not None for parameter in model.projector.parameters())
    assert any(parameter.grad is not None for parameter in model.vision_encoder.parameters()) == tuned
    assert set(figures) == {"error_loss", "covered_loss"}


def test_errors_are_measured_on_other_pictures_than_it_was_taught_with(model, vectors):
    first, again, other = (misreading_of(model, vectors, RECIPE, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.map, again.map)
    assert not np.array_equal(first.map, other.map)
    # Untaught, it finds nothing of what is wanted.
    assert np.abs(np.diag(first.map)).mean() < 0.2
    assert torch.isfinite(torch.from_numpy(first.factors)).all()

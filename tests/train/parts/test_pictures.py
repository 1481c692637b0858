"""train.parts.pictures: fresh pictures of training scenes, the same for the same number."""

import numpy as np
import pytest

from perceptlm.recipes.parts_tiny import encoder_tiny
from perceptlm.train.parts.pictures import picture_chunk
from perceptlm.world.scene_words import GROUPS, SLICES

RECIPE = encoder_tiny().model_copy(update={"batches_per_chunk": 2, "num_scenes": 4, "num_frames": 2})


@pytest.fixture(scope="module")
def chunk():
    return picture_chunk(RECIPE, 8, "train", 3, 5)


def test_a_chunk_is_a_function_of_its_number(chunk):
    again = picture_chunk(RECIPE, 8, "train", 3, 5)
    other = picture_chunk(RECIPE, 8, "train", 3, 6)
    for one, same in zip(chunk, again, strict=True):
        np.testing.assert_array_equal(one.pictures, same.pictures)
        np.testing.assert_array_equal(one.words, same.words)
        assert one.texts == same.texts
    assert not np.array_equal(chunk[0].pictures, other[0].pictures)


def test_shapes_fit_each_other(chunk):
    for batch in chunk:
        num = RECIPE.num_scenes * RECIPE.num_frames
        assert batch.pictures.shape == (num, 96, 96, 3)
        assert batch.pictures.dtype == np.uint8
        assert batch.shares.shape == (num, 4, 64)
        assert batch.words.shape[:2] == (num, 4)
        assert len(batch.texts) == num


def test_a_description_names_the_things_that_cover_most(chunk):
    for batch in chunk:
        for text, words, shares in zip(batch.texts, batch.words, batch.shares, strict=True):
            cover = shares.mean(axis=1)
            if text != "nothing":
                largest = words[cover.argmax()]
                assert text.split(",")[0].split()[-1] == GROUPS["kind"][largest[SLICES["kind"]].argmax()]
            else:
                assert cover.max() < 0.01


def test_a_marked_thing_stands_in_a_red_rectangle():
    recipe = RECIPE.model_copy(update={"marked_share": 1.0, "image_share": 1.0})
    for batch in picture_chunk(recipe, 8, "train", 3, 0):
        reds = (batch.pictures[..., 0] > 215) & (batch.pictures[..., 1:] < 35).all(axis=-1)
        assert (reds.sum(axis=(1, 2)) > 30).all()
        assert (batch.words[..., SLICES["marked"]].sum(axis=(1, 2)) == 1).all()

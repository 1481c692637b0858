"""The shipped words, and how lessons show them, for tests of what teaches the parts."""

import pytest

from perceptlm.recipes.parts import part_path
from perceptlm.train.parts.lessons import Shown
from perceptlm.train.parts.make_parts import MISREADING, SCENE_VECTORS, read_tokenizer
from perceptlm.train.parts.misreading import read_misreading
from perceptlm.train.parts.scene_vectors import read_scene_vectors


@pytest.fixture(scope="package")
def tokenizer():
    return read_tokenizer(part_path("words_tiny"))


@pytest.fixture(scope="package")
def vectors():
    return read_scene_vectors(part_path("words_tiny") / SCENE_VECTORS)


@pytest.fixture(scope="package")
def shown(tokenizer, vectors):
    misreading = read_misreading(part_path("vision_tiny") / MISREADING)
    return Shown(tokenizer.to_json(), vectors, misreading, grid=4)

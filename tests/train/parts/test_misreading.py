"""train.parts.misreading: what was measured of errors is what is drawn."""

import numpy as np
import pytest

from perceptlm.train.parts.misreading import COVERS, Misreading, measure_misreading, read_misreading

CLIPS, FRAMES, CELLS, WIDTH = 600, 6, 9, 5


@pytest.fixture(scope="module")
def clips():
    """Two things per clip that cover all of some cells, the first of which rests: ideal vectors, shares, things."""
    rng = np.random.default_rng(0)
    ideal = rng.standard_normal((CLIPS, FRAMES, CELLS, WIDTH)).astype(np.float32)
    shares = np.zeros((CLIPS, FRAMES, 2, CELLS), np.float32)
    shares[:, :, 0, :3] = 1
    shares[:, :, 1, 4:8] = 1
    things = rng.standard_normal((CLIPS, 1, 2, WIDTH)) + np.zeros((1, FRAMES, 1, 1))
    things[:, :, 1] += 0.2 * np.arange(FRAMES)[:, None] * rng.standard_normal((CLIPS, 1, WIDTH))
    return ideal, shares, things.astype(np.float32)


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(1)
    factors = np.stack([scale * rng.standard_normal((WIDTH, WIDTH)) for scale in (0.6, 0.4)])
    mapped = np.eye(WIDTH) * 0.8 + 0.1 * rng.standard_normal((WIDTH, WIDTH))
    sizes = np.array([0.0] * 8 + [1.0])
    parts = (mapped, rng.standard_normal(WIDTH), sizes, factors, np.array([0.5]))
    return Misreading(*(np.asarray(part, np.float32) for part in parts))


def _errors(misreading, clips, number=0):
    """Return the errors drawn for one clip, (F, cells, D)."""
    ideal, shares, things = (part[number] for part in clips)
    found = misreading.draw(ideal, shares, things, np.random.default_rng(number))
    return found - ideal @ misreading.map - misreading.offset


def test_what_is_drawn_is_measured(clips, truth):
    rng = np.random.default_rng(2)
    found = np.stack([truth.draw(*clip, rng) for clip in zip(*clips, strict=True)])
    measured = measure_misreading(found, *clips)
    np.testing.assert_allclose(measured.map, truth.map, atol=0.05)
    np.testing.assert_allclose(measured.offset, truth.offset, atol=0.05)
    assert measured.length[0] == pytest.approx(truth.length[0], rel=0.2)
    size = measured.sizes[-1] ** 2
    for seen, real in zip(measured.factors, truth.factors, strict=True):
        covariance = real @ real.T
        np.testing.assert_allclose(seen @ seen.T * size, covariance, atol=0.15 * np.abs(covariance).max())


def test_nothing_is_misread_where_nothing_is(clips, truth):
    errors = _errors(truth, clips)
    empty = clips[1][0].sum(axis=1) == 0
    assert np.abs(errors[empty]).max() < 1e-5
    assert np.abs(errors[~empty]).mean() > 0.1


def test_a_thing_that_rests_does_not_seem_to_move(clips, truth):
    errors = _errors(truth, clips)
    assert np.abs(np.diff(errors[:, :3], axis=0)).max() < 0.1
    assert np.abs(np.diff(errors[:, 4:8], axis=0)).mean() > 0.1


def test_what_a_thing_has_in_all_cells_is_the_same_in_all(clips, truth):
    only = Misreading(
        truth.map, truth.offset, truth.sizes, truth.factors * np.array([1, 0])[:, None, None], truth.length
    )
    errors = _errors(only, clips)
    np.testing.assert_allclose(errors[:, :3], np.broadcast_to(errors[:, :1], errors[:, :3].shape), atol=1e-5)
    assert not np.allclose(errors[0, 0], errors[0, 4], atol=0.1)


def test_it_is_read_as_it_was_written(truth, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(truth.to_bytes())
    again = read_misreading(tmp_path / "m.safetensors")
    np.testing.assert_allclose(again.factors, truth.factors, atol=1e-3)
    assert again.sizes.shape == (len(COVERS),)

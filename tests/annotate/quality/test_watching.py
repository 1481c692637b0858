"""Copying, drift, calibration and the bound of a release."""

from dataclasses import replace

import numpy as np
import pytest
from labelled_world import draw

from perceptlm.annotate.quality import calibrate, copy_evidence, find_drift, fit, release_bound
from perceptlm.errors import DataError


def shown_on_gold(world, rate, copiers, share=0.5):
    """Show a wrong value on `share` of the gold, the right one else; `copiers` answer it with `rate`."""
    random = np.random.default_rng(5)
    gold = world.items.known >= 0
    planted = gold & (random.random(len(gold)) < share)
    shown = np.where(planted, (world.truth + 1) % 4, world.truth)
    labels = world.labels
    copies = np.isin(labels.worker, copiers) & (random.random(len(labels)) < rate)
    value = np.where(copies, shown[labels.item], labels.value)
    return replace(labels, value=value, shown=shown[labels.item])


def test_copiers_are_found_by_planted_wrong_proposals():
    world = draw(num_items=300, num_gold=120, seed=6)
    labels = shown_on_gold(world, 0.9, [1, 5, 9])
    found = copy_evidence(fit(labels, world.items, world.people), labels, world.items, world.people)
    assert np.flatnonzero(found.flagged).tolist() == [1, 5, 9]
    assert found.excess[[1, 5, 9]] == pytest.approx([0.9] * 3, abs=0.15)
    assert (found.excess_low <= found.excess).all()


def test_who_guesses_is_no_copier_and_without_evidence_nobody_is():
    world = draw(num_items=300, num_gold=120, seed=7)
    honest = shown_on_gold(world, 0.0, [])
    assert not copy_evidence(fit(honest, world.items, world.people), honest, world.items, world.people).flagged.any()
    right = shown_on_gold(world, 0.9, [1, 5], share=0.0)
    found = copy_evidence(fit(right, world.items, world.people), right, world.items, world.people)
    assert found.seen.sum() == 0
    assert not found.flagged.any()


def test_who_tires_drifts_and_who_does_not_does_not():
    world = draw(num_items=2400, num_gold=0, per_item=3, seed=8)
    labels = world.labels
    late = (labels.worker == 2) & (np.arange(len(labels)) > len(labels) * 0.6)
    random = np.random.default_rng(1)
    value = np.where(late, random.integers(4, size=len(labels)), labels.value)
    tired = replace(labels, value=value)
    drift = find_drift(fit(tired, world.items, world.people), tired, world.items, world.people)
    assert np.flatnonzero(drift.flagged).tolist() == [2]
    number = int((labels.worker == 2).sum())
    assert 0.6 * number < drift.after[2] < 0.9 * number
    steady = find_drift(fit(labels, world.items, world.people), labels, world.items, world.people)
    assert not steady.flagged.any()
    assert (steady.after == -1).all()


def test_calibration_counts_what_was_said_beside_what_held():
    found = calibrate([0.95] * 10 + [0.55] * 10, [True] * 9 + [False] + [True] * 5 + [False] * 5)
    assert found.ece == pytest.approx(0.05)
    assert [(b.num_items, b.accuracy) for b in found.bins] == [(10, 0.5), (10, 0.9)]
    assert calibrate([1.0, 1.0], [True, True]).ece == 0
    assert calibrate([], []).bins == ()
    with pytest.raises(DataError, match="between 0 and 1"):
        calibrate([1.5], [True])
    with pytest.raises(DataError, match="equal length"):
        calibrate([0.5], [True, False])


def test_a_release_promises_no_more_than_its_audit_shows():
    assert release_bound(0, 300).upper < 0.01
    assert release_bound(3, 300).upper < 0.026
    assert release_bound(0, 60).upper < 0.049
    assert release_bound(0, 0).upper == 1.0

import numpy as np
import pytest
from labelled_world import draw

from perceptlm.annotate.quality import FitConfig, Labels, calibrate, fit, measure_skill
from perceptlm.annotate.quality.records import MODEL, Items, People
from perceptlm.errors import DataError


@pytest.fixture(scope="module")
def world():
    return draw()


def labels_of(*columns):
    return Labels(*(np.array(column) for column in columns))


def right_share(world, found):
    return (found.answer[:600] == world.truth[:600]).mean()


def test_beats_the_majority_and_is_calibrated(world):
    found = fit(world.labels, world.items, world.people)
    votes = np.zeros((len(world.items), 4))
    np.add.at(votes, (world.labels.item, world.labels.value), 1)
    majority = (votes.argmax(axis=1)[:600] == world.truth[:600]).mean()
    assert right_share(world, found) > majority + 0.02
    assert calibrate(found.confidence[:600], found.answer[:600] == world.truth[:600]).ece < 0.03
    assert found.posterior.sum(axis=1) == pytest.approx(np.ones(660))


def test_difficulty_is_estimated_from_the_labels_alone():
    world = draw(num_items=4000, per_item=5, hard=0.4)
    found = fit(world.labels, world.items, world.people)
    hard = found.joint[:4000, 1].sum(axis=1)
    assert hard[world.hard[:4000]].mean() > 2 * hard[~world.hard[:4000]].mean()
    assert found.class_share[:, 1] == pytest.approx([0.4, 0.4], abs=0.08)
    good = found.accuracy.mean[:8].mean(axis=(0, 1))
    assert good == pytest.approx([0.92, 0.6], abs=0.06)


def test_skill_is_near_the_truth_and_inside_its_interval(world):
    found = fit(world.labels, world.items, world.people)
    skill = measure_skill(found, world.labels, world.items, world.people)
    true = world.accuracy @ [0.7, 0.3]
    assert np.abs(skill.overall - true).mean() < 0.035
    assert ((skill.overall_low <= true) & (true <= skill.overall_high)).sum() >= 10
    assert (skill.low < skill.mean).all()
    assert (skill.mean < skill.high).all()


def test_gold_stays_what_it_is_and_teaches_who_is_good():
    item, worker = np.repeat(np.arange(30), 2), np.tile([0, 1], 30)
    known = np.zeros(30, dtype=int)
    known[20:] = -1
    # Person 0 is right on gold, person 1 is not; on the other items they disagree.
    value = np.where(worker == 0, 0, 1)
    labels = Labels(item, worker, value, np.full(60, -1), np.zeros(60, dtype=bool))
    items = Items(np.full(30, 2), np.zeros(30, dtype=int), known, 1)
    found = fit(labels, items, People(np.zeros(2, dtype=int), np.zeros((2, 1), dtype=bool)))
    assert (found.answer == 0).all()
    assert (found.posterior[:20, 0] == 1).all()
    assert (found.posterior[20:, 0] > 0.8).all()


def test_same_input_same_bytes_and_order_of_labels_matters_not(world):
    first, second = (fit(world.labels, world.items, world.people) for _ in range(2))
    assert first.joint.tobytes() == second.joint.tobytes()
    turned = fit(world.labels.take(np.arange(len(world.labels))[::-1]), world.items, world.people)
    assert turned.joint == pytest.approx(first.joint, abs=1e-9)


def test_a_start_is_only_a_start(world):
    cold = fit(world.labels, world.items, world.people)
    part = fit(world.labels.take(np.arange(800)), world.items, world.people)
    warm = fit(world.labels, world.items, world.people, start=part)
    assert np.abs(warm.posterior - cold.posterior).max() < 0.05


def test_copies_of_what_was_shown_are_discounted():
    world = draw(seed=3, per_item=3)
    random = np.random.default_rng(9)
    # The model is right on six items of ten; four people answer what they are shown, and the rest do not.
    total = len(world.items)
    shown = np.where(random.random(total) < 0.6, world.truth, (world.truth + 1) % 4)
    labels = world.labels
    copier = labels.worker < 4
    value = np.where(copier & (random.random(len(labels)) < 0.95), shown[labels.item], labels.value)
    model = np.full(total, 12)
    nothing, calm = np.full(total, -1), np.zeros(total, dtype=bool)
    proposals = Labels(np.arange(total), model, shown, nothing, calm)
    people = People(np.append(world.people.role, MODEL), np.vstack([world.people.own, np.zeros((1, 2), dtype=bool)]))
    told = Labels(labels.item, labels.worker, value, shown[labels.item], labels.unsure).joined(proposals)
    untold = Labels(labels.item, labels.worker, value, np.full(len(labels), -1), labels.unsure).joined(proposals)
    knowing, unknowing = (fit(given, world.items, people) for given in (told, untold))
    assert (knowing.copy_rate[:4] > 0.7).all()
    assert (knowing.copy_rate[4:12] < 0.2).all()
    assert right_share(world, knowing) > right_share(world, unknowing) + 0.03


def test_options_may_differ_by_item_and_impossible_ones_get_nothing(world):
    options = world.items.num_options.copy()
    options[:3] = [4, 6, 5]
    items = Items(options, world.items.domain, world.items.known, 2)
    posterior = fit(world.labels, items, world.people).posterior
    assert posterior.shape[1] == 6
    assert (posterior[3:, 4:] == 0).all()
    assert posterior[1, 5] > 0


def test_shared_values_learn_what_is_common():
    random = np.random.default_rng(1)
    truth = (random.random(500) < 0.9).astype(int)
    item, worker = np.repeat(np.arange(500), 2), np.tile([0, 1], 500)
    value = np.where(random.random(1000) < 0.8, truth[item], 1 - truth[item])
    labels = Labels(item, worker, value, np.full(1000, -1), np.zeros(1000, dtype=bool))
    items = Items(np.full(500, 2), np.zeros(500, dtype=int), np.full(500, -1), 1)
    people = People(np.zeros(2, dtype=int), np.zeros((2, 1), dtype=bool))
    shared = fit(labels, items, people, FitConfig(num_classes=1, shared_values=True))
    apart = fit(labels, items, people, FitConfig(num_classes=1))
    assert (shared.answer == truth).mean() > (apart.answer == truth).mean() + 0.02


def test_no_labels_leave_every_option_open(world):
    found = fit(Labels.none(), world.items, world.people)
    assert found.posterior[0] == pytest.approx([0.25] * 4)


def test_wrong_labels_are_named(world):
    wrong = labels_of([0, 0], [0, 1], [0, 4], [-1, -1], [False, False])
    with pytest.raises(DataError, match="label 1: item 0 has no option 4"):
        fit(wrong, world.items, world.people)
    with pytest.raises(DataError, match="label 0: there is no person 99"):
        fit(labels_of([0], [99], [0], [-1], [False]), world.items, world.people)
    with pytest.raises(DataError, match="known_class"):
        fit(world.labels, world.items, world.people, known_class=np.array([1]))

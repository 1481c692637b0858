"""Labels of a small crowd of known skill, for tests of the quality engine."""

from dataclasses import dataclass

import numpy as np

from perceptlm.annotate.quality import ANNOTATOR, EXPERT, Items, Labels, People


@dataclass
class World:
    labels: Labels
    items: Items
    people: People
    truth: np.ndarray
    hard: np.ndarray
    accuracy: np.ndarray


def draw(*, num_items=600, num_gold=60, per_item=4, options=4, domains=2, num_experts=0, hard=0.3, seed=0) -> World:
    """Eight good people, three weak ones and one who guesses; the last `num_gold` items are gold."""
    random = np.random.default_rng(seed)
    total = num_items + num_gold
    truth, domain = random.integers(options, size=total), random.integers(domains, size=total)
    is_hard = random.random(total) < hard
    accuracy = np.array([[0.92, 0.6]] * 8 + [[0.75, 0.45]] * 3 + [[1 / options] * 2] + [[0.97, 0.93]] * num_experts)
    crowd = 12
    rank = random.random((total, crowd)).argsort(axis=1)[:, :per_item]
    item, worker = np.repeat(np.arange(total), per_item), rank.ravel()
    right = random.random(len(item)) < accuracy[worker, is_hard[item].astype(int)]
    value = np.where(right, truth[item], (truth[item] + random.integers(1, options, len(item))) % options)
    known = np.full(total, -1)
    known[num_items:] = truth[num_items:]
    own = np.zeros((len(accuracy), domains), dtype=bool)
    for expert in range(num_experts):
        own[crowd + expert, expert % domains] = True
    role = np.array([ANNOTATOR] * crowd + [EXPERT] * num_experts)
    labels = Labels(item, worker, value, np.full(len(item), -1), np.zeros(len(item), dtype=bool))
    items = Items(np.full(total, options), domain, known, domains)
    return World(labels, items, People(role, own), truth, is_hard, accuracy)

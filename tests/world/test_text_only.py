"""No question can be answered without looking: classifiers that read only words stay at chance.

The classifiers see n-grams (1 to 3) of question and options, and pairs of a question word with an option's words.
They learn on the training split and are asked about the benchmark, and are cross-validated inside the benchmark: there
the folds are balanced apart, because a question's counterpart among the learnt ones, with the same options and the
other answer, would push a reader below chance. A planted bias shows that they would find one.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from perceptlm.schema import ChoiceAnswer, Sample, TextAnswer
from perceptlm.world.samples import samples_of_split

NUM_FEATURES = 1 << 15
NUM_TRAIN, NUM_BENCHMARK, NUM_FOLDS = 300, 280, 4
OPEN_TASKS = ("video_qa", "image_qa", "counting", "text_reading", "sgqa")


def hashed(text: str) -> int:
    return zlib.crc32(text.encode()) % NUM_FEATURES


def ngrams(text: str) -> list[str]:
    words = text.lower().replace("?", " ").replace(".", " ").replace(",", " ").split()
    return [" ".join(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words) - n + 1)]


def option_features(sample: Sample) -> list[np.ndarray]:
    """Per option: its n-grams, its place, and pairs of question words with it."""
    assert isinstance(sample.answer, ChoiceAnswer)
    question = sample.question.lower().split("options")[0].split("\n(a)")[0]
    words = [*dict.fromkeys(question.replace("?", " ").replace("\n", " ").split()), *ngrams(question)[-8:]]
    return [
        np.array(
            [hashed(f"place {place}"), *(hashed(f"o {gram}") for gram in ngrams(option)),
             *(hashed(f"{word} | {option}") for word in words)]
        )
        for place, option in enumerate(sample.answer.options)
    ]  # fmt: skip


class ChoiceClassifier:
    """A conditional logit: the score of an option is a sum of weights of its features."""

    def __init__(self, items: Sequence[tuple[list[np.ndarray], int]], *, steps: int = 40) -> None:
        self.weights = np.zeros(NUM_FEATURES)
        columns = np.concatenate([row for rows, _ in items for row in rows])
        lengths = np.array([len(row) for rows, _ in items for row in rows])
        rows = np.repeat(np.arange(len(lengths)), lengths)
        num_options = len(items[0][0])
        truth = np.eye(num_options)[[index for _, index in items]]
        squares = np.full(NUM_FEATURES, 1e-6)
        for _ in range(steps):
            scores = np.bincount(rows, self.weights[columns], len(lengths)).reshape(-1, num_options)
            shares = np.exp(scores - scores.max(1, keepdims=True))
            error = (shares / shares.sum(1, keepdims=True) - truth).ravel()
            gradient = np.bincount(columns, error[rows], NUM_FEATURES) / len(items) + 0.01 * self.weights
            squares += gradient**2
            self.weights -= 0.1 * gradient / np.sqrt(squares)

    def right(self, items: Sequence[tuple[list[np.ndarray], int]]) -> np.ndarray:
        chosen = [int(np.argmax([self.weights[row].sum() for row in rows])) for rows, _ in items]
        return np.array([choice == index for choice, (_, index) in zip(chosen, items, strict=True)], float)


def distance(right: np.ndarray, expected: np.ndarray | float, clusters: Sequence[str]) -> float:
    """By how many standard errors the mean of `right` is above `expected`; items of a clip go together."""
    sums: dict[str, float] = defaultdict(float)
    for difference, cluster in zip(right - expected, clusters, strict=True):
        sums[cluster] += difference
    values = np.array(list(sums.values()))
    return float(values.sum() / max(1.0, np.sqrt((values**2).sum())))


def clusters_of(samples: Sequence[Sample]) -> list[str]:
    return [sample.cluster for sample in samples]


def as_items(samples: Sequence[Sample]) -> list[tuple[list[np.ndarray], int]]:
    return [(option_features(sample), sample.answer.index) for sample in samples]  # type: ignore[union-attr]


def of_task(samples: Sequence[Sample], task: str) -> list[Sample]:
    return [sample for sample in samples if sample.task == task]


def folds_of(samples: Sequence[Sample]) -> list[tuple[list[int], list[int]]]:
    """(learn, ask) indices per fold; clip number `i` is in fold `i % NUM_FOLDS`, as `split_samples` balanced them."""
    fold = [int(sample.cluster.rsplit("-", 1)[1]) % NUM_FOLDS for sample in samples]
    return [
        ([i for i, f in enumerate(fold) if f != part], [i for i, f in enumerate(fold) if f == part])
        for part in range(NUM_FOLDS)
    ]


def cross_validated(samples: Sequence[Sample]) -> np.ndarray:
    items, right = as_items(samples), np.zeros(len(samples))
    for learn, ask in folds_of(samples):
        right[ask] = ChoiceClassifier([items[i] for i in learn]).right([items[i] for i in ask])
    return right


@pytest.fixture(scope="module")
def train(make_record: Callable) -> list[Sample]:
    return split_samples(make_record, "train", NUM_TRAIN)


@pytest.fixture(scope="module")
def benchmark(make_record: Callable) -> list[Sample]:
    return split_samples(make_record, "benchmark", NUM_BENCHMARK)


def split_samples(make_record: Callable, split: str, num: int) -> list[Sample]:
    found = []
    for part in range(NUM_FOLDS):
        numbers = range(part, num, NUM_FOLDS)
        records = [make_record(split, index, "ego" if index // NUM_FOLDS % 4 == 0 else "video") for index in numbers]
        records += [make_record(split, index, "image") for index in numbers]
        found += samples_of_split(records, 3)
    return found


@pytest.mark.parametrize("task", ["fgqa", "mcq"])
def test_choice_is_at_chance_from_text(task: str, train: list[Sample], benchmark: list[Sample]) -> None:
    learn, ask = of_task(train, task), of_task(benchmark, task)
    assert len(ask) >= 600
    chance = 0.5 if task == "fgqa" else 0.25
    right = ChoiceClassifier(as_items(learn)).right(as_items(ask))
    assert abs(distance(right, chance, clusters_of(ask))) <= 1.96
    assert abs(distance(cross_validated(ask), chance, clusters_of(ask))) <= 1.96


@pytest.mark.parametrize("task", ["fgqa", "mcq"])
def test_a_planted_bias_is_found(task: str, benchmark: list[Sample]) -> None:
    """In a part of the questions the truth is moved to the option that comes first in the alphabet."""
    planted = []
    for number, sample in enumerate(of_task(benchmark, task)):
        options = sample.answer.options  # type: ignore[union-attr]
        index = options.index(min(options)) if number % 3 == 0 else sample.answer.index  # type: ignore[union-attr]
        planted.append(sample.model_copy(update={"answer": ChoiceAnswer(options=options, index=index)}))
    assert distance(cross_validated(planted), 0.5 if task == "fgqa" else 0.25, clusters_of(planted)) > 1.96


def value_of(sample: Sample) -> str:
    assert isinstance(sample.answer, TextAnswer)
    return " ".join(fact.value for fact in sample.answer.facts)


def majority(samples: Sequence[Sample]) -> np.ndarray:
    """What the best constant per template gets right, chosen on these very samples.

    Not on others: in balanced data the commonest value of the others is rare here, and any reader would beat it.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        counts[sample.template][value_of(sample)] += 1
    best = {template: counter.most_common(1)[0][0] for template, counter in counts.items()}
    return np.array([value_of(sample) == best[sample.template] for sample in samples], float)


def read_open(learn: Sequence[Sample], ask: Sequence[Sample]) -> np.ndarray:
    """What a reader per template gets right."""
    by_template: dict[str, list[Sample]] = defaultdict(list)
    for sample in learn:
        by_template[sample.template].append(sample)
    models = {template: LogisticReader(samples) for template, samples in by_template.items()}
    return np.array([s.template in models and models[s.template].guess(s.question) == value_of(s) for s in ask], float)


def read_open_cross_validated(samples: Sequence[Sample]) -> np.ndarray:
    right = np.zeros(len(samples))
    for learn, ask in folds_of(samples):
        right[ask] = read_open([samples[i] for i in learn], [samples[i] for i in ask])
    return right


class LogisticReader:
    """A softmax regression from the n-grams of a template's questions to its values."""

    NUM_COLUMNS = 128

    def __init__(self, samples: Sequence[Sample], *, steps: int = 20) -> None:
        counts = Counter(value_of(sample) for sample in samples)
        self.values = sorted(counts)
        rows = np.stack([self.row(sample.question) for sample in samples])
        truth = np.eye(len(self.values))[[self.values.index(value_of(sample)) for sample in samples]]
        self.weights = np.zeros((self.NUM_COLUMNS, len(self.values)))
        squares = np.full_like(self.weights, 1e-4)
        for _ in range(steps):
            shares = np.exp(rows @ self.weights)
            gradient = rows.T @ (shares / shares.sum(1, keepdims=True) - truth) / len(rows) + 1e-2 * self.weights
            squares += gradient**2
            self.weights -= 0.2 * gradient / np.sqrt(squares)

    def row(self, question: str) -> np.ndarray:
        row = np.zeros(self.NUM_COLUMNS)
        row[[hashed(gram) % self.NUM_COLUMNS for gram in ngrams(question)]] = 1
        return row

    def guess(self, question: str) -> str:
        return self.values[int(np.argmax(self.row(question) @ self.weights))]


def open_samples(samples: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.task in OPEN_TASKS]


def test_open_questions_give_no_more_than_the_best_constant(train: list[Sample], benchmark: list[Sample]) -> None:
    ask = open_samples(benchmark)
    assert len(ask) >= 600
    assert distance(read_open(open_samples(train), ask), majority(ask), clusters_of(ask)) <= 1.96
    assert distance(read_open_cross_validated(ask), majority(ask), clusters_of(ask)) <= 1.96


def worst_template(samples: Sequence[Sample]) -> tuple[float, str]:
    """Return by how many standard errors reading beats the majority in the template where it does so most."""
    difference = read_open_cross_validated(samples) - majority(samples)
    found = []
    for template in sorted({sample.template for sample in samples}):
        rows = [i for i, sample in enumerate(samples) if sample.template == template]
        found.append((distance(difference[rows], 0.0, [samples[i].cluster for i in rows]), template))
    return max(found)


def test_no_open_template_gives_more_than_its_majority(train: list[Sample]) -> None:
    samples = open_samples(train)
    # The interval of each template is widened so that all of them together are held to 95 %.
    assert worst_template(samples) <= (3.5, "")


def test_open_readers_find_a_planted_bias(train: list[Sample]) -> None:
    """In two thirds of the questions after a colour the wording decides between two answers."""
    planted = []
    for sample in open_samples(train):
        if sample.template == "image_qa.colour" and zlib.crc32(sample.id.encode()) % 3:
            colour = "red" if "Which" in sample.question or "Name" in sample.question else "blue"
            facts = (sample.answer.facts[0].model_copy(update={"value": colour}),)  # type: ignore[union-attr]
            sample = sample.model_copy(update={"answer": TextAnswer(text=colour, facts=facts)})
        planted.append(sample)
    amount, template = worst_template(planted)
    assert template == "image_qa.colour"
    assert amount > 3.5


@pytest.mark.parametrize("task", ["fgqa", "mcq"])
def test_each_pair_of_values_is_true_equally_often(task: str, benchmark: list[Sample]) -> None:
    wins: Counter[tuple[str, str, str]] = Counter()
    for sample in of_task(benchmark, task):
        options, index = sample.answer.options, sample.answer.index  # type: ignore[union-attr]
        for option in options:
            if option != options[index]:
                wins[sample.template, options[index], option] += 1
    assert wins
    assert all(wins[template, b, a] == number for (template, a, b), number in wins.items())

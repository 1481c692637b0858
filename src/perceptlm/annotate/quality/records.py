"""What the quality engine is given: labels, items and people, as arrays.

Items, people, domains and values are numbers from 0; whoever calls keeps the names. A label is one person's (or one
model's) choice among an item's options. This module knows no database and no method.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from perceptlm.errors import DataError

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

ANNOTATOR, EXPERT, MODEL = 0, 1, 2
"""Roles. A model's proposal may count as a label: its accuracy is estimated as a person's is."""


@dataclass(frozen=True)
class Labels:
    """Labels (n), in the order in which they were given.

    `shown` is the value the person saw before answering, -1 for a blind answer: only a label given with a proposal in
    sight may be a copy of it. `unsure` is the person's own mark.
    """

    item: Ints
    worker: Ints
    value: Ints
    shown: Ints
    unsure: Bools

    def __post_init__(self) -> None:
        sizes = {len(getattr(self, field.name)) for field in fields(self)}
        if len(sizes) > 1:
            raise DataError(f"the columns of labels must be equally long, got lengths {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.item)

    @classmethod
    def none(cls) -> Labels:
        """Return no labels."""
        empty = np.zeros(0, dtype=np.int64)
        return cls(empty, empty, empty, empty, np.zeros(0, dtype=np.bool_))

    def joined(self, other: Labels) -> Labels:
        """Return these labels and then those of `other`."""
        return Labels(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))

    def take(self, rows: Bools | Ints) -> Labels:
        """Return the labels of `rows` (a mask or places)."""
        return Labels(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Items:
    """Items (I): how many options each has, its domain, and the right value where it is known (gold), else -1."""

    num_options: Ints
    domain: Ints
    known: Ints
    num_domains: int

    def __post_init__(self) -> None:
        if not len(self.num_options) == len(self.domain) == len(self.known):
            raise DataError("items need one number of options, one domain and one known value each")
        if len(self) and (self.num_options.min() < 2 or self.domain.min() < 0 or self.domain.max() >= self.num_domains):
            raise DataError("an item needs two options at least, and a domain below num_domains")
        if (self.known >= self.num_options).any():
            raise DataError(f"item {int(np.argmax(self.known >= self.num_options))}: its known value is no option")

    def __len__(self) -> int:
        return len(self.num_options)


@dataclass(frozen=True)
class People:
    """Workers (W): role, and per domain whether a valid credential says that it is their own (W, D)."""

    role: Ints
    own: Bools

    def __post_init__(self) -> None:
        if self.own.shape[:1] != self.role.shape or self.own.ndim != 2:
            raise DataError(f"credentials need shape (workers, domains), got {self.own.shape}")

    def __len__(self) -> int:
        return len(self.role)


def check_labels(labels: Labels, items: Items, people: People) -> None:
    """Raise DataError for a label of an item, person or option that does not exist."""
    if not len(labels):
        return
    for name, column, size in (("item", labels.item, len(items)), ("person", labels.worker, len(people))):
        wrong = (column < 0) | (column >= size)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"label {row}: there is no {name} {int(column[row])}, only 0 to {size - 1}")
    wrong = (labels.value < 0) | (labels.value >= items.num_options[labels.item])
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(f"label {row}: item {int(labels.item[row])} has no option {int(labels.value[row])}")


def count(index: Ints, size: int, weights: Floats | None = None) -> Floats:
    """Return sums of `weights` (1 each without) by `index`, as floats (size)."""
    return np.bincount(index, weights=weights, minlength=size).astype(np.float64)

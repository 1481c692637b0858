"""What a model is shown with a question: the right pictures, black ones, or those of another clip.

The last two are controls: a model that scores as well without the right pictures has not looked. This module reads
media through `media.pictures` and knows no metric.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np

from perceptlm.clients import MediaInput
from perceptlm.errors import UsageError
from perceptlm.eval.outcomes import Variant
from perceptlm.eval.questions import Question
from perceptlm.eval.settings import RowName
from perceptlm.media.pictures import load_pictures, pictures_key
from perceptlm.schema import Sample
from perceptlm.seeding import generator

_CACHE_BYTES = 2**28


class PictureSource:
    """Pictures of questions, with red boxes drawn, remembered for the clips asked about last.

    `questions` are all of the split, also those not asked: another clip's pictures are taken from among them. Equal
    pictures are the same `MediaInput`, as long as they are remembered, so that a client need not compare them.
    """

    def __init__(self, root: Path, questions: Sequence[Question], *, num_frames: int, seed: int) -> None:
        self._root = root
        self._num_frames = num_frames
        self._places = {name: place for place, name in enumerate(circle_of_clusters(questions, seed))}
        self._others = other_samples(questions, seed)
        self._cache: OrderedDict[Hashable, tuple[MediaInput, ...]] = OrderedDict()
        self._num_bytes = 0
        self._black: dict[Hashable, tuple[MediaInput, ...]] = {}

    def in_order(self, questions: Sequence[Question]) -> list[Question]:
        """Return the questions as they are best asked: along the circle of clusters, those of one picture together.

        What a question is shown as another clip's pictures is then what is asked about next.
        """
        first: dict[Hashable, int] = {}
        for number, question in enumerate(questions):
            first.setdefault(pictures_key(question.sample), number)
        return sorted(questions, key=lambda q: (self._places[q.sample.cluster], first[pictures_key(q.sample)]))

    def media(self, question: Question, variant: Variant) -> tuple[MediaInput, ...]:
        """Return what `variant` shows; UsageError if it is another clip and there is none, MediaError for bad files."""
        if variant == "other":
            if question.sample.id not in self._others:
                raise UsageError(
                    f"sample {question.sample.id}: row {question.row} has no other clip to show",
                    hint="make a world of more clips, or leave the variant 'other' out",
                )
            return self._load(self._others[question.sample.id])
        return self._load(question.sample) if variant == "own" else self._blacked_out(question)

    def _blacked_out(self, question: Question) -> tuple[MediaInput, ...]:
        (media,) = question.sample.media
        key = (media.kind, media.height, media.width, question.num_frames)
        if key not in self._black:
            pictures = np.zeros((question.num_frames, media.height, media.width, 3), np.uint8)
            self._black[key] = (MediaInput(media.kind, tuple(pictures)),)
        return self._black[key]

    def _load(self, sample: Sample) -> tuple[MediaInput, ...]:
        key = pictures_key(sample)
        if key not in self._cache:
            media = load_pictures(sample, self._root, num_frames=self._num_frames, choice="uniform").media
            self._cache[key] = media
            self._num_bytes += _num_bytes(media)
            while self._num_bytes > _CACHE_BYTES and len(self._cache) > 1:
                self._num_bytes -= _num_bytes(self._cache.popitem(last=False)[1])
        self._cache.move_to_end(key)
        return self._cache[key]


def _num_bytes(media: tuple[MediaInput, ...]) -> int:
    return sum(picture.nbytes for item in media for picture in item.pictures)


def circle_of_clusters(questions: Sequence[Question], seed: int) -> list[str]:
    """Return the clusters of `questions` in a seeded random order, the last of which is followed by the first."""
    names = sorted({question.sample.cluster for question in questions})
    return [str(name) for name in generator(seed, "other-pictures").permutation(names)]


def other_samples(questions: Sequence[Question], seed: int) -> dict[str, Sample]:
    """Return, per sample id, a sample of the same row from another cluster: a seeded derangement of the clusters.

    Each cluster is shown a clip of the next one of the circle that has questions of the row, so every clip is shown
    about equally often, and mostly the same one to all rows. A row with a single cluster has no entry.
    """
    clusters: dict[RowName, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for question in questions:
        clusters[question.row][question.sample.cluster].append(question.sample)
    circle = circle_of_clusters(questions, seed)
    others = {}
    for by_cluster in clusters.values():
        if len(by_cluster) < 2:
            continue
        names = [name for name in circle if name in by_cluster]
        for name, neighbour in zip(names, names[1:] + names[:1], strict=True):
            shown = by_cluster[neighbour]
            for position, sample in enumerate(by_cluster[name]):
                others[sample.id] = shown[position % len(shown)]
    return others

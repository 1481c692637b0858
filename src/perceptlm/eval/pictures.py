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

_NUM_CACHED = 64


class PictureSource:
    """Pictures of questions, with red boxes drawn, remembered for the few clips asked about last.

    `questions` are all of the split, also those not asked: another clip's pictures are taken from among them.
    """

    def __init__(self, root: Path, questions: Sequence[Question], *, num_frames: int, seed: int) -> None:
        self._root = root
        self._num_frames = num_frames
        self._others = other_samples(questions, seed)
        self._cache: OrderedDict[Hashable, tuple[MediaInput, ...]] = OrderedDict()

    def media(self, question: Question, variant: Variant) -> tuple[MediaInput, ...]:
        """Return what `variant` shows; UsageError if it is another clip and there is none, MediaError for bad files."""
        if variant == "other":
            if question.sample.id not in self._others:
                raise UsageError(
                    f"sample {question.sample.id}: row {question.row} has no other clip to show",
                    hint="make a world of more clips, or leave the variant 'other' out",
                )
            return self._load(self._others[question.sample.id])
        media = self._load(question.sample)
        if variant == "own":
            return media
        return tuple(MediaInput(item.kind, tuple(np.zeros_like(p) for p in item.pictures)) for item in media)

    def _load(self, sample: Sample) -> tuple[MediaInput, ...]:
        key = pictures_key(sample)
        if key not in self._cache:
            self._cache[key] = load_pictures(sample, self._root, num_frames=self._num_frames).media
            if len(self._cache) > _NUM_CACHED:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        return self._cache[key]


def other_samples(questions: Sequence[Question], seed: int) -> dict[str, Sample]:
    """Return, per sample id, a sample of the same row from another cluster: a seeded derangement of the clusters.

    The clusters of a row are put in a random circle and each is shown its neighbour's clip, so every clip is shown
    about equally often. A row with a single cluster has no entry.
    """
    clusters: dict[RowName, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for question in questions:
        clusters[question.row][question.sample.cluster].append(question.sample)
    others = {}
    for row, by_cluster in clusters.items():
        if len(by_cluster) < 2:
            continue
        names = [str(name) for name in generator(seed, "other-pictures", row).permutation(sorted(by_cluster))]
        for name, neighbour in zip(names, names[1:] + names[:1], strict=True):
            shown = by_cluster[neighbour]
            for position, sample in enumerate(by_cluster[name]):
                others[sample.id] = shown[position % len(shown)]
    return others

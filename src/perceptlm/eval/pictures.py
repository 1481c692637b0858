"""What a model is shown with a question: the right pictures, or those of a control.

A model that scores as well without the right pictures has not looked; one that scores as well on a single frame, on
frames in disorder or without the box has not needed time, order or the region. This module reads media through
`media.pictures` and knows no metric.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from perceptlm.clients import MediaInput
from perceptlm.errors import UsageError
from perceptlm.eval.benchmarks.plm_videobench.profiles import rules_of
from perceptlm.eval.frame_cache import FrameCache
from perceptlm.eval.outcomes import Variant
from perceptlm.eval.questions import Question
from perceptlm.eval.settings import RowName
from perceptlm.media.pictures import load_pictures, pictures_key
from perceptlm.media.sampling import FrameChoice
from perceptlm.seeding import generator

_CACHE_BYTES = 2**28

Media = tuple[MediaInput, ...]


def is_asked(question: Question, variant: Variant) -> bool:
    """Whether a variant shows something else than the question's own pictures: only then it is asked.

    A single picture has no order and no middle one; a box is taken away only where one is drawn.
    """
    if variant in ("single_frame", "shuffled_frames"):
        return question.num_frames > 1
    if variant == "no_box":
        return any(region.shown_as != "text" for region in question.sample.regions)
    return True


def num_shown(question: Question, variant: Variant) -> int:
    """Return how many pictures a variant shows; of another clip, as many as of the question's own at most."""
    return {"text_only": 0, "single_frame": 1}.get(variant, question.num_frames)


@dataclass
class _Loaded:
    """The pictures of one clip or image with its regions, and what was made of them for controls."""

    media: Media
    changed: dict[Variant, Media] = field(default_factory=dict)


class PictureSource:
    """Pictures of questions, with red boxes drawn, remembered for the clips asked about last.

    `questions` are all of the split, also those not asked: another clip's pictures are taken from among them. Equal
    pictures are the same `MediaInput`, as long as they are remembered, so that a client need not compare them.
    """

    def __init__(self, questions: Sequence[Question], *, seed: int, frames: FrameCache | None = None) -> None:
        self._seed = seed
        self.frames = frames or FrameCache()
        self._places = {name: place for place, name in enumerate(circle_of_clusters(questions, seed))}
        self._others = other_questions(questions, seed)
        self._cache: OrderedDict[Hashable, _Loaded] = OrderedDict()
        self._num_bytes = 0
        self._black: dict[Hashable, Media] = {}

    def in_order(self, questions: Sequence[Question]) -> list[Question]:
        """Return the questions as they are best asked: along the circle of clusters, those of one video together, and
        among them those of one picture together.

        What a question is shown as another clip's pictures is then what is asked about next.
        """
        first: dict[Hashable, int] = {}
        keys = []
        for number, question in enumerate(questions):
            found = (question.root, question.sample.media), _key(question)
            place = self._places[question.sample.cluster]
            keys.append((place, *(first.setdefault(key, number) for key in found)))
        return [questions[number] for number in sorted(range(len(questions)), key=lambda number: keys[number])]

    def media(self, question: Question, variant: Variant) -> Media:
        """Return what `variant` shows; UsageError if it is another clip and there is none, MediaError for bad files."""
        if variant == "text_only":
            return ()
        if variant in ("zero", "trained_blind"):
            return self._blacked_out(question)
        if variant == "other":
            if question.sample.id not in self._others:
                raise UsageError(
                    f"sample {question.sample.id}: row {question.row} has no other clip to show",
                    hint="make a world of more clips, or leave the variant 'other' out",
                )
            return self._load(self._others[question.sample.id]).media
        if variant == "no_box":
            bare = replace(question, sample=question.sample.model_copy(update={"regions": ()}))
            return self._load(bare).media
        own = self._load(question)
        if variant == "own":
            return own.media
        if variant not in own.changed:
            own.changed[variant] = tuple(self._change(item, variant, question) for item in own.media)
        return own.changed[variant]

    def _change(self, item: MediaInput, variant: Variant, question: Question) -> MediaInput:
        """Return the middle picture alone, or all in another order: the same for all questions about a clip."""
        number = len(item.pictures)
        if variant == "single_frame":
            return MediaInput(item.kind, (item.pictures[number // 2],))
        media = question.sample.media[0]
        random = generator(self._seed, "shuffled-frames", media.path, str(media.frames))
        order = np.arange(number)
        while number > 1 and np.array_equal(order, np.arange(number)):
            order = random.permutation(number)
        return MediaInput(item.kind, tuple(item.pictures[place] for place in order.tolist()))

    def _blacked_out(self, question: Question) -> Media:
        (media,) = question.sample.media
        key = (media.kind, media.height, media.width, question.num_frames)
        if key not in self._black:
            pictures = np.zeros((question.num_frames, media.height, media.width, 3), np.uint8)
            self._black[key] = (MediaInput(media.kind, tuple(pictures)),)
        return self._black[key]

    def _load(self, question: Question) -> _Loaded:
        key = _key(question)
        if key not in self._cache:
            media = load_pictures(
                question.sample,
                question.root,
                num_frames=question.num_frames,
                choice=_choice(question),
                read=self.frames.read,
            ).media
            self._cache[key] = _Loaded(media)
            self._num_bytes += _num_bytes(media)
            while self._num_bytes > _CACHE_BYTES and len(self._cache) > 1:
                self._num_bytes -= _num_bytes(self._cache.popitem(last=False)[1].media)
        self._cache.move_to_end(key)
        return self._cache[key]


def _choice(question: Question) -> FrameChoice:
    """Return how the question's profile chooses frames."""
    rules = rules_of(question.sample.task, question.profile)
    return "uniform" if rules is None else rules.frames


def _key(question: Question) -> Hashable:
    return (question.root, question.num_frames, _choice(question), pictures_key(question.sample))


def _num_bytes(media: Media) -> int:
    return sum(picture.nbytes for item in media for picture in item.pictures)


def circle_of_clusters(questions: Sequence[Question], seed: int) -> list[str]:
    """Return the clusters of `questions` in a seeded random order, the last of which is followed by the first."""
    names = sorted({question.sample.cluster for question in questions})
    return [str(name) for name in generator(seed, "other-pictures").permutation(names)]


def other_questions(questions: Sequence[Question], seed: int) -> dict[str, Question]:
    """Return, per sample id, a question of the same row from another cluster: a seeded derangement of the clusters.

    Each cluster is shown a clip of the next one of the circle that has questions of the row, so every clip is shown
    about equally often, and mostly the same one to all rows. A row with a single cluster has no entry.
    """
    clusters: dict[RowName, dict[str, list[Question]]] = defaultdict(lambda: defaultdict(list))
    for question in questions:
        clusters[question.row][question.sample.cluster].append(question)
    circle = circle_of_clusters(questions, seed)
    others = {}
    for by_cluster in clusters.values():
        if len(by_cluster) < 2:
            continue
        names = [name for name in circle if name in by_cluster]
        for name, neighbour in zip(names, names[1:] + names[:1], strict=True):
            shown = by_cluster[neighbour]
            for position, question in enumerate(by_cluster[name]):
                others[question.sample.id] = shown[position % len(shown)]
    return others

"""Profile: what a dataset holds, in counts and distributions, from one pass over its records. Opens no media.

Judges nothing: faults are `validation`'s, origins `audit`'s. The page it is shown on is made in `profile_page`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from perceptlm.data.dataset_files import Located
from perceptlm.data.distribution import Distribution
from perceptlm.errors import DataError
from perceptlm.schema import MediaRef, Origin, Sample

COUNTED = ("split", "task", "dimension", "media", "origin", "licence", "size")
"""What records are counted by; `size` counts media items by width x height."""
MEASURED = {
    "question words": "words of all user turns",
    "answer words": "words of all assistant turns",
    "frames": "frames of each video named",
    "seconds": "length of each video named, where its rate is known",
    "width": "pixels",
    "height": "pixels",
    "regions": "regions of each record",
    "media items": "images and videos of each record",
    "questions per media": "records that share the same media files",
}
"""The distributions, and what their values are."""


class Profile:
    """Counts and distributions so far."""

    def __init__(self) -> None:
        self.num_records = 0
        self.num_unreadable = 0
        self.num_pairs = 0
        """Records with a rejected answer."""
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
        self.distributions: dict[str, Distribution] = {name: Distribution() for name in MEASURED}
        self._questions: Counter[str] = Counter()

    def add(self, record: Located) -> None:
        """Count one record; what is no Sample is only counted as such."""
        self.num_records += 1
        if isinstance(record.found, DataError):
            self.num_unreadable += 1
            return
        sample = record.found
        self.num_pairs += sample.rejected is not None
        for name, value in (
            ("split", record.split),
            ("task", sample.task),
            ("dimension", sample.dimension or "none"),
            ("media", _media_kind(sample)),
            ("origin", describe_origin(sample.origin)),
            ("licence", sample.origin.licence),
        ):
            self.counts[name][value] += 1
        for role, name in (("user", "question words"), ("assistant", "answer words")):
            words = sum(len(turn.text.split()) for turn in sample.turns if turn.role == role)
            self.distributions[name].add(words)
        self.distributions["regions"].add(len(sample.regions))
        self.distributions["media items"].add(len(sample.media))
        for item in sample.media:
            self._add_media(item)
        if sample.media:
            self._questions["\0".join(item.path for item in sample.media)] += 1

    def _add_media(self, item: MediaRef) -> None:
        self.counts["size"][f"{item.width}x{item.height}"] += 1
        self.distributions["width"].add(item.width)
        self.distributions["height"].add(item.height)
        if item.kind == "video":
            self.distributions["frames"].add(item.num_frames)
            if item.frames_per_second is not None:
                self.distributions["seconds"].add(round(float(item.num_frames / Fraction(item.frames_per_second)), 2))

    def finish(self) -> Profile:
        """Return this profile with what only the end of the records tells."""
        questions = self.distributions["questions per media"] = Distribution()
        for number, times in Counter(self._questions.values()).items():
            questions.add(number, times)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; counts are sorted, the most frequent first."""
        return {
            "num_records": self.num_records,
            "num_unreadable": self.num_unreadable,
            "num_pairs": self.num_pairs,
            "num_media_sets": len(self._questions),
            "counts": {name: dict(ranked(counts)) for name, counts in self.counts.items()},
            "distributions": {name: values.to_dict() for name, values in self.distributions.items()},
        }


def profile(records: Iterable[Located], *, each: Callable[[], object] = lambda: None) -> Profile:
    """Return the profile of all records, read once; `each` is called after every one."""
    found = Profile()
    for record in records:
        found.add(record)
        each()
    return found.finish()


def ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return values and counts, the most frequent first, equals in alphabetical order."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def describe_origin(origin: Origin) -> str:
    """Return an origin as one text."""
    return f"{origin.kind}: {origin.name} @ {origin.revision}"


def _media_kind(sample: Sample) -> str:
    kinds = Counter(item.kind for item in sample.media)
    if not kinds:
        return "text only"
    return "+".join(kind if count == 1 else f"{kind}s" for kind, count in sorted(kinds.items()))

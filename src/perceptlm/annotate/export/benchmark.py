"""The held-out test in the layout of PLM-VideoBench's FGQA, and what people score on it.

A recording is held out as a whole, decided by its name and the seed alone, so that more rows move nothing. The ceiling
is MBAcc of people who never worked on the items, each pair answered like a model's: right only if every pair is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from perceptlm.annotate.export.exported_media import FOLDER, ExportedMedia
from perceptlm.annotate.export.released import ReleasedItem
from perceptlm.annotate.export.samples import options_of
from perceptlm.annotate.fgqa.groups import BinaryQuestion
from perceptlm.seeding import derive_seed
from perceptlm.statistics.intervals import bootstrap_interval

FILE = "fgqa/plm_fgqa_test.jsonl"
CEILING_FILE = "fgqa/human_ceiling.json"
RULE = "MBAcc of people who never worked on the item; the n-th choices about its pairs are one attempt at the item"
_SEEDS = 2**63


def is_held_out(item: ReleasedItem, share: float, seed: int) -> bool:
    """Whether an item's recording is of the test.

    The stream is not that of `data.source.keep_back`: training would otherwise find none left to keep back.
    """
    return derive_seed(seed, "test of a release", item.source) < share * _SEEDS


def bench_row(item: ReleasedItem, place: int, video: ExportedMedia, seed: int) -> dict[str, Any]:
    """Return the row of one pair; its video is the whole asset, which is what people saw who answered."""
    options, index = options_of(item, place, seed)
    return {
        "uid": f"{item.id}_{place}",
        "qa_uid": item.id,
        "video": video.path,
        "question": item.question.strip(),
        "answer": options[index],
        "options": {f"option_{number}": option for number, option in enumerate(options)},
        "answer_index": index,
        "metadata": {
            "source_video_id": item.asset.sha256,
            "source_dataset": FOLDER,
            "source_start_time": 0.0,
            "source_end_time": round(float(video.num_frames / video.rate), 6),
            "question_type": item.question_type,
            "source_domain": item.domain,
        },
    }


def pair_of(row: dict[str, Any]) -> BinaryQuestion:
    """Return a row of `bench_row` without what says where it comes from."""
    first, second = row["options"].values()
    names = ("uid", "qa_uid", "question", "answer_index")
    return BinaryQuestion(options=(first, second), **{name: row[name] for name in names})


class HumanCeiling:
    """Gathers what people chose about the items of the test."""

    def __init__(self) -> None:
        self._groups: list[tuple[str, str, float]] = []
        self._num_without = 0
        self._choices: list[bool] = []
        self._people: set[str] = set()

    def add(self, item: ReleasedItem, places: Sequence[int]) -> None:
        """Count the choices about an item's pairs; an item with a pair that nobody answered has no ceiling."""
        by_pair: dict[int, list[bool]] = defaultdict(list)
        for choice in item.ceiling:
            if choice.distractor in places:
                by_pair[choice.distractor].append(choice.right)
                self._choices.append(choice.right)
                self._people.add(choice.person)
        attempts = min((len(by_pair[place]) for place in places), default=0)
        if not attempts:
            self._num_without += 1
            return
        right = sum(all(by_pair[place][number] for place in places) for number in range(attempts))
        self._groups.append((item.source, item.domain, right / attempts))

    def record(self, seed: int) -> dict[str, Any]:
        """Return score, interval (recordings resampled) and numbers, over all and by domain; scores in [0, 1]."""
        domains = sorted({domain for _, domain, _ in self._groups})
        return {
            "metric": "MBAcc",
            "rule": RULE,
            "all": _score(self._groups, seed),
            "by_domain": {name: _score([g for g in self._groups if g[1] == name], seed) for name in domains},
            "pair_accuracy": sum(self._choices) / len(self._choices) if self._choices else None,
            "num_choices": len(self._choices),
            "num_people": len(self._people),
            "num_groups_without": self._num_without,
        }


def _score(groups: Sequence[tuple[str, str, float]], seed: int) -> dict[str, Any]:
    if not groups:
        return {"score": None, "ci_low": None, "ci_high": None, "num_groups": 0}
    values = [value for _, _, value in groups]
    interval = bootstrap_interval(values, [source for source, _, _ in groups], seed=derive_seed(seed, "human ceiling"))
    return {
        "score": sum(values) / len(values),
        "ci_low": interval.low,
        "ci_high": interval.high,
        "num_groups": len(values),
    }

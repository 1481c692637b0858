"""All Samples of a split, written from its clip records: which tasks, how many of each, balanced over the split.

A pure function of the records and the seed: `make` calls it once per split, and anyone can call it again on
`scenes.jsonl`. Clips and pictures are balanced apart. Opens no file and draws no pixel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from perceptlm.schema import Sample
from perceptlm.seeding import derive_seed, generator
from perceptlm.world.balance import Placed, level, quartets
from perceptlm.world.clip_record import ClipRecord, ClipView
from perceptlm.world.inquiries import Inquiry, inquiries_of
from perceptlm.world.sample_writer import SampleWriter
from perceptlm.world.tasks_captions import image_caption, rcap, rdcap, rtloc, video_caption
from perceptlm.world.tasks_questions import choice_samples, fgqa_samples, open_sample, open_task, template_of

MAX_PER_CLIP = {"fgqa": 5, "mcq": 3, "open": 5, "sgqa": 8}
"""How many questions of a clip are put up for each use; balancing leaves some of them out."""
STILL_FAMILIES = ("colour", "kind", "pattern", "writing")
"""Families that a single frame answers, and how many FGQA items of a clip may be of them."""
MAX_STILL_FGQA = 2


def samples_of_split(records: Sequence[ClipRecord], seed: int) -> list[Sample]:
    """Return the Samples of one split, ordered by record; same records and seed, same Samples."""
    found: dict[str, list[Sample]] = {record.scene.id: [] for record in records}
    for kind in ("video", "image"):
        chosen = [record for record in records if record.media.kind == kind]
        if chosen:
            for sample in _samples_of_kind(chosen, seed):
                found[sample.cluster].append(sample)
    return list(chain.from_iterable(found.values()))


def _samples_of_kind(records: Sequence[ClipRecord], seed: int) -> list[Sample]:
    split, kind = records[0].scene.split, records[0].media.kind
    writers = [SampleWriter(ClipView(record), seed) for record in records]
    found: list[Sample] = []
    offered: dict[str, list[Placed]] = defaultdict(list)
    for number, writer in enumerate(writers):
        tasks = (image_caption,) if kind == "image" else (video_caption, rcap, rtloc, rdcap)
        for task in tasks:
            found += task(writer)
        for use, inquiries in put_up(writer, inquiries_of(writer.view)).items():
            offered[use] += [Placed(number, inquiry) for inquiry in inquiries]
    for use, write in (("fgqa", fgqa_samples), ("mcq", choice_samples)):
        rng = generator(seed, "options", split, kind, use)
        for quartet in quartets(offered[use], derive_seed(seed, split, kind, use)):
            found += write([(writers[placed.clip], placed.inquiry) for placed in quartet], rng)
    found += open_samples(writers, [*offered["open"], *offered["sgqa"]], seed, f"{split}.{kind}")
    return found


def open_samples(writers: Sequence[SampleWriter], asked: Sequence[Placed], seed: int, name: str) -> list[Sample]:
    """Return the open questions, less those whose value is asked for too often."""
    kept = level(
        asked,
        template=lambda item: template_of(open_task(writers[item.clip], item.inquiry), item.inquiry),
        value=lambda item: item.inquiry.value,
        seed=seed,
        name=name,
    )
    return [open_sample(writers[placed.clip], placed.inquiry) for placed in kept]


def put_up(
    writer: SampleWriter, inquiries: Sequence[Inquiry], most_of: Mapping[str, int] = MAX_PER_CLIP
) -> dict[str, list[Inquiry]]:
    """Choose which of a clip's questions are put up for which use, and at most how many of each."""
    rng = generator(writer.seed, "questions", writer.view.scene.id)
    chosen: dict[str, list[Inquiry]] = {}
    is_image = writer.view.record.media.kind == "image"
    for use, most in most_of.items():
        if use in ("fgqa", "mcq"):
            able = [inquiry for inquiry in inquiries if inquiry.definition.choice]
            if use == "fgqa":
                able = [] if is_image else _fine_grained(able, rng)
        else:
            able = [item for item in inquiries if (item.definition.open_task == "sgqa") == (use == "sgqa")]
        chosen[use] = _spread(able, most, rng)
    return chosen


def _fine_grained(inquiries: Sequence[Inquiry], rng: np.random.Generator) -> list[Inquiry]:
    """Return the questions that need the video, and a few that one frame answers."""
    still = [inquiry for inquiry in inquiries if inquiry.family in STILL_FAMILIES]
    moving = [inquiry for inquiry in inquiries if inquiry.family not in STILL_FAMILIES]
    return [*moving, *_spread(still, MAX_STILL_FGQA, rng)]


def _spread(inquiries: Sequence[Inquiry], most: int, rng: np.random.Generator) -> list[Inquiry]:
    """Return up to `most`, families at random first and a second question of one family only when all had one."""
    rounds: dict[str, int] = defaultdict(int)
    ranked: list[tuple[int, int, Inquiry]] = []
    for index in rng.permutation(len(inquiries)):
        inquiry = inquiries[int(index)]
        ranked.append((rounds[inquiry.family], len(ranked), inquiry))
        rounds[inquiry.family] += 1
    return [inquiry for _, _, inquiry in sorted(ranked, key=lambda item: item[:2])[:most]]

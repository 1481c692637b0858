"""The questions of WorldBench: the five tasks from its clips' records, balanced as in a world (`balance`).

A pure function of the records and the version. Each task has its own pool, and of a clip as many questions as a video
of the release has, roughly: RCap, RTLoc and RDCap share their videos at 4.2, 3.4 and 1.1 rows per video. Opens no file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from perceptlm.schema import Sample
from perceptlm.seeding import generator
from perceptlm.world.balance import Placed, quartets
from perceptlm.world.bench_pools import PoolName, pool_seed
from perceptlm.world.clip_record import ClipRecord, ClipView
from perceptlm.world.inquiries import Inquiry, inquiries_of
from perceptlm.world.sample_writer import SampleWriter
from perceptlm.world.samples import open_samples, put_up
from perceptlm.world.tasks_captions import MAX_TOLD_EVENTS, rcap, rdcap, rtloc
from perceptlm.world.tasks_questions import fgqa_samples

MAX_FGQA, MAX_SGQA = 3, 5
"""Questions of a clip that are put up; balancing leaves about a third of them out."""
_ANY_NUMBER = 100


def bench_samples(pool: PoolName, records: Sequence[ClipRecord], version: int) -> list[Sample]:
    """Return the Samples of a pool: groups of FGQA in a row, otherwise in the order of the clips.

    Their attributes say `domain`, the kind of background, and where the release does, `question_type`, the family.
    """
    domains = {record.scene.id: record.scene.background.rpartition("_")[0] for record in records}
    found = []
    for sample in _samples(pool, records, version):
        told: dict[str, str | int | float | bool] = {"domain": domains[sample.cluster]}
        if pool != "region":
            told["question_type"] = sample.template.split(".")[1]
        found.append(sample.model_copy(update={"attributes": told | sample.attributes}))
    return found


def _samples(pool: PoolName, records: Sequence[ClipRecord], version: int) -> list[Sample]:
    seed = pool_seed(version, pool)
    writers = [SampleWriter(ClipView(record), seed) for record in records]
    if pool == "region":
        return _region_samples(writers)
    asked = []
    for number, writer in enumerate(writers):
        offered = put_up(writer, inquiries_of(writer.view), {pool: MAX_SGQA if pool == "sgqa" else _ANY_NUMBER})[pool]
        asked += [Placed(number, i) for i in (offered if pool == "sgqa" else _of_all_dimensions(offered))]
    if pool == "sgqa":
        return open_samples(writers, asked, seed, "worldbench")
    rng = generator(seed, "options", "worldbench")
    found: list[Sample] = []
    for quartet in quartets(asked, seed):
        found += fgqa_samples([(writers[placed.clip], placed.inquiry) for placed in quartet], rng)
    return sorted(found, key=lambda sample: (sample.cluster, sample.group or ""))  # stable: questions keep their order


def _of_all_dimensions(inquiries: Sequence[Inquiry]) -> list[Inquiry]:
    """Return some: what, where, when and how alike as far as there are any, in the order given otherwise."""
    rounds: Counter[str] = Counter()
    ranked = []
    for place, inquiry in enumerate(inquiries):
        dimension = inquiry.definition.dimension
        ranked.append((rounds[dimension], place, inquiry))
        rounds[dimension] += 1
    return [inquiry for _, _, inquiry in sorted(ranked, key=lambda item: item[:2])[:MAX_FGQA]]


def _region_samples(writers: Sequence[SampleWriter]) -> list[Sample]:
    found: list[Sample] = []
    for number, writer in enumerate(writers):
        found += rcap(writer, MAX_TOLD_EVENTS)
        found += rtloc(writer, 4 if number % 5 < 2 else 3)
        found += rdcap(writer, 2 if number % 10 == 0 else 1)
    return found

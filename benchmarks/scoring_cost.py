"""What scoring costs beside reading the rows with `datasets` and waiting 10 ms for a judge.

    pip install datasets
    python benchmarks/scoring_cost.py [--rows-share 1.0] [--repeats 3] [--profile] [--json]

10,060 RCap rows and 2,620 RDCap rows are generated in the released format (4 or 5 contiguous segments each, as many
predicted, boxes on every frame) and converted; a scripted judge fills the cache of replies. Neither is timed. Timed is
`plm eval run --predictions FILE --judge-endpoint URL` from reading predictions to the published directory: questions
loaded, answers recorded, replies looked up and parsed, scores, intervals, breakdown, files. The judge that is handed in
cannot be asked: a reply that is not cached ends the run. The peer reads the released rows one by one with `datasets`
(its one-off import into Arrow is not counted), and each judge call takes it 10 ms. Not in either: starting Python.

The ratio that decides counts one call of 10 ms per *row*, the stricter reading of the target; with 10 ms per call, of
which a dense caption needs several, it is smaller. On a machine that others use, wall time holds their work as well:
the same ratio of processor time is printed beside it.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import os
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from perceptlm import artifact
from perceptlm.clients import GenerationRequest, GenerationResult, ModelIdentity
from perceptlm.clients.protocol import K
from perceptlm.data.converters.convert import convert
from perceptlm.data.converters.formats import settings_for
from perceptlm.data.converters.settings import Sources
from perceptlm.errors import ClientError
from perceptlm.eval import runner
from perceptlm.eval.datasets import EvalData
from perceptlm.eval.judges.opening import open_judge
from perceptlm.eval.settings import EvalSettings
from perceptlm.exchange.jsonl import write_records
from perceptlm.media.video import write_video
from perceptlm.seeding import generator
from perceptlm.workflow.asked_models import AskedModel, evaluate_asked

TARGET = 0.05
NUM_ROWS = {"rcap": 10_060, "rdcap": 2_620}
ROWS_PER_VIDEO = {"rcap": 4.4, "rdcap": 1.1}
LENGTHS = (48, 60, 72, 84, 96, 120)
NUM_SHOWN = 32
JUDGE_SECONDS = 0.01
RATIOS = {
    "ratio": "ratio to reading and 10 ms a row",
    "processor_ratio": "the same, of the time that the processor worked",
    "ratio_per_call": "ratio to reading and 10 ms a judge call",
}
SETTINGS = EvalSettings(tasks=("rcap", "rdcap"), variants=("own",), num_frames=NUM_SHOWN, max_error_share=1.0)
STATISTICS_AND_WRITING = ("summarise", "breakdown", "write_records", "write_breakdown", "publish")
TEXT = """the man woman child dog cyclist in a red blue dark jacket walks runs turns slowly quickly towards away from
camera picks up puts down box cup ball and then stops near left right door table while looks at another one"""
WORDS = TEXT.split()


def sentence(random: np.random.Generator, num_words: int) -> str:
    """Return that many words."""
    return " ".join(WORDS[place] for place in random.integers(len(WORDS), size=num_words)) + "."


def cuts(random: np.random.Generator, length: int, number: int) -> list[tuple[int, int]]:
    """Return `number` spans, each beginning where the one before ended, that fill frames 0 to `length` - 1."""
    inner = np.sort(random.choice(np.arange(2, length - 2), size=number - 1, replace=False)).tolist()
    return list(zip([0, *inner], [*inner, length - 1], strict=True))


def make_rows(task: str, num_rows: int) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """Return rows in the released format, and what a model predicts of each, by uid."""
    random = generator(0, "scoring-cost", task)
    num_videos = max(1, round(num_rows / ROWS_PER_VIDEO[task]))
    rows, predictions = [], {}
    for uid in range(num_rows):
        video = uid % num_videos
        length = LENGTHS[video % len(LENGTHS)]
        row = {"uid": uid, "video": f"sav_{video:06}.mp4", "masklet_id": 0, "total_frames": length}
        if task == "rcap":
            start, end = sorted(random.choice(length, size=2, replace=False).tolist())
            rows.append(row | {"caption": sentence(random, 25), "start_frame": start, "end_frame": end})
            predictions[uid] = sentence(random, 25)
            continue
        number, guessed = random.integers(4, 6, size=2).tolist()
        events = [
            {"start_frame": start, "end_frame": end, "caption": sentence(random, 15)}
            for start, end in cuts(random, length, number)
        ]
        rows.append(row | {"dense_captions": events})
        spans = cuts(random, NUM_SHOWN, guessed)
        predictions[uid] = "\n".join(f"[{start}, {end}]: {sentence(random, 15)}" for start, end in spans)
    return rows, predictions


@dataclass(frozen=True)
class Material:
    """What is scored: the released rows as files, their conversion, and the file of predictions."""

    released: tuple[Path, ...]
    data: list[EvalData]
    predictions: Path
    num_rows: int


def make_media(folder: Path, num_videos: int) -> Path:
    """Write one small video per length, link all others to them, and return where their boxes stand."""
    (folder / "media").mkdir()
    boxes = []
    for number in range(num_videos):
        place, length = folder / "media" / f"sav_{number:06}.mp4", LENGTHS[number % len(LENGTHS)]
        if number < len(LENGTHS):
            write_video(place, np.zeros((length, 32, 32, 3), np.uint8), 6)
        else:
            os.link(folder / "media" / f"sav_{number % len(LENGTHS):06}.mp4", place)
        by_frame = {str(frame): [4, 4, 20 + frame % 8, 24] for frame in range(length)}
        boxes.append({"video": place.name, "masklet_id": 0, "bbox": by_frame})
    write_records(folder / "boxes.jsonl", boxes)
    return folder / "boxes.jsonl"


def make_material(folder: Path, rows_share: float) -> Material:
    """Write and convert that share of the benchmark's rows."""
    numbers = {task: max(2, round(number * rows_share)) for task, number in NUM_ROWS.items()}
    boxes = make_media(folder, max(round(numbers[task] / ROWS_PER_VIDEO[task]) for task in numbers) or 1)
    released, data, lines = [], [], []
    for task, number in numbers.items():
        rows, predictions = make_rows(task, number)
        path = folder / f"{task}.jsonl"
        write_records(path, rows)
        sources = Sources((path,), media=folder / "media", boxes=boxes)
        out = convert(folder / task, sources, settings_for(f"bench-{task}", sources), index=False)
        lines += [{"id": f"bench-{task}.{uid}", "text": text} for uid, text in predictions.items()]
        released.append(path)
        data.append(EvalData(out))
    write_records(folder / "predictions.jsonl", lines)
    return Material(tuple(released), data, folder / "predictions.jsonl", len(lines))


class ScriptedJudge:
    """Grades by the length of what it is asked; `is_away`: whoever asks it ends the run."""

    def __init__(self, *, is_away: bool) -> None:
        self.is_away = is_away
        self.num_asked = 0

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(name="judge", revision="1", licence="CC0-1.0", backend="openai-http")

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[GenerationResult]:
        for request in requests:
            if self.is_away:
                raise ClientError("a reply that should have been in the cache was asked for")
            self.num_asked += 1
            said = {"explanation": "One or two details of the reference are missing or wrong.",
                    "score": len(request.turns[-1].text) % 11}  # fmt: skip
            yield GenerationResult(request.id, json.dumps(said), "stop", num_prompt_tokens=300, num_new_tokens=30)

    def answer_each(self, asked: Iterable[tuple[K, GenerationRequest]]) -> Iterator[tuple[K, GenerationResult]]:
        for key, request in asked:
            for result in self.generate([request]):
                yield key, result


def score(material: Material, out: Path, cache: Path, client: ScriptedJudge) -> None:
    """Evaluate the predictions as `plm eval run --predictions` does."""
    with open_judge(client, SETTINGS.profile, cache=cache) as judge:
        asked = AskedModel(predictions=material.predictions, name="scripted")
        evaluate_asked(asked, material.data, out, SETTINGS, judge=judge)


@dataclass
class Stages:
    """Seconds by function of the runner, while `timed`."""

    seconds: dict[str, float] = field(default_factory=dict)

    def _timed(self, name: str, usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            start = time.perf_counter()
            try:
                return usual(*arguments, **more)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

        return call

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time the steps of an evaluation; none of them calls another."""
        steps = ("load_questions", "generate_answers", "judge_answers", "score_rows", *STATISTICS_AND_WRITING[:-1])
        with ExitStack() as stack:
            for name in steps:
                stack.enter_context(mock.patch.object(runner, name, self._timed(name, getattr(runner, name))))
            publish = self._timed("publish", artifact.publish)
            stack.enter_context(mock.patch.object(artifact, "publish", publish))
            yield


def read_with_datasets(paths: Sequence[Path], cache: Path) -> tuple[str, float]:
    """Return the peer's name and how many seconds it takes to read all rows, one by one; SystemExit without it."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    try:
        import datasets
    except ImportError:
        raise SystemExit("the peer is Hugging Face's `datasets`: pip install datasets") from None
    datasets.disable_progress_bars()
    found = [datasets.Dataset.from_json(str(path), cache_dir=str(cache)) for path in paths]
    start = time.perf_counter()
    for dataset in found:
        for row in dataset:
            assert row["video"]
    return f"datasets {datasets.__version__}", time.perf_counter() - start


def measure(folder: Path, rows_share: float, repeats: int) -> dict[str, Any]:
    """Return median seconds of scoring and of reading, by step, and their ratios."""
    material, cache = make_material(folder, rows_share), folder / "cache.sqlite3"
    filler = ScriptedJudge(is_away=False)
    score(material, folder / "filling", cache, filler)
    totals, processor, steps, reads, peer = [], [], [], [], ""
    for number in range(repeats):
        stages = Stages()
        with stages.timed():
            start, busy = time.perf_counter(), time.process_time()
            score(material, folder / f"scored-{number}", cache, ScriptedJudge(is_away=True))
            totals.append(time.perf_counter() - start)
            processor.append(time.process_time() - busy)
        steps.append(stages.seconds)
        peer, seconds = read_with_datasets(material.released, folder / f"arrow-{number}")
        reads.append(seconds)
    by_step = {name: statistics.median(found[name] for found in steps) for name in steps[0]}
    whole, read = statistics.median(totals), statistics.median(reads)
    return {
        "num_rows": material.num_rows,
        "num_calls": filler.num_asked,
        "peer": peer,
        "seconds": totals,
        "processor_seconds": processor,
        "seconds_without_statistics_and_writing": whole - sum(by_step[name] for name in STATISTICS_AND_WRITING),
        "steps": by_step,
        "peer_reading_seconds": reads,
        "ratio": whole / (read + JUDGE_SECONDS * material.num_rows),
        "ratio_per_call": whole / (read + JUDGE_SECONDS * filler.num_asked),
        "processor_ratio": statistics.median(processor) / (read + JUDGE_SECONDS * material.num_rows),
    }


def profile(folder: Path, rows_share: float) -> str:
    """Return cProfile's ten functions that took most time of their own, in a run of its own."""
    material, cache = make_material(folder, rows_share), folder / "cache.sqlite3"
    score(material, folder / "filling", cache, ScriptedJudge(is_away=False))
    profiler, text = cProfile.Profile(), io.StringIO()
    with profiler:
        score(material, folder / "profiled", cache, ScriptedJudge(is_away=True))
    pstats.Stats(profiler, stream=text).strip_dirs().sort_stats("tottime").print_stats(10)
    return text.getvalue()


def say(found: dict[str, Any]) -> None:
    """Print the figures as text."""
    whole, read = statistics.median(found["seconds"]), statistics.median(found["peer_reading_seconds"])
    spread = f"{min(found['seconds']):.2f} to {max(found['seconds']):.2f}"
    print(f"{found['num_rows']} rows, {found['num_calls']} judge calls, all cached")
    print(f"scoring: {whole:.2f} s ({spread}), {1000 * whole / found['num_rows']:.3f} ms a row")
    print(f"  of which the processor worked {statistics.median(found['processor_seconds']):.2f} s")
    print(f"  without statistics and writing: {found['seconds_without_statistics_and_writing']:.2f} s")
    for name, seconds in found["steps"].items():
        print(f"  {name}: {seconds:.2f} s")
    print(f"  the rest: {whole - sum(found['steps'].values()):.2f} s")
    print(f"reading with {found['peer']}: {read:.2f} s, {1000 * read / found['num_rows']:.3f} ms a row")
    for name, said in RATIOS.items():
        verdict = "met" if found[name] < TARGET else "MISSED"
        print(f"{said}: {found[name]:.4f} (target below {TARGET:g}: {verdict})")


def main(arguments: list[str] | None = None) -> int:
    """Read the command line, measure, print; 1 if the target is missed."""
    parser = argparse.ArgumentParser(description="Scoring, beside reading rows and waiting for a judge.")
    parser.add_argument("--rows-share", type=float, default=1.0, help="share of the benchmark's rows")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="print cProfile's top ten as well")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), options.rows_share, options.repeats)
    met = found["ratio"] < TARGET
    if options.json:
        print(json.dumps(found | {"met": met}))
    else:
        say(found)
    if options.profile:
        with tempfile.TemporaryDirectory() as folder:
            print(profile(Path(folder), options.rows_share))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())

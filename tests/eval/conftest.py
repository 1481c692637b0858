"""Hand-made Samples in the procedural world's language, a tiny world artifact, and a client that knows answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from perceptlm import artifact
from perceptlm.clients import GenerationRequest, GenerationResult, ModelIdentity
from perceptlm.eval.outcomes import Row
from perceptlm.exchange.jsonl import write_records
from perceptlm.media.image import write_png
from perceptlm.media.write_video import write_video
from perceptlm.schema import BoxTrack, MediaRef, Origin, Sample
from perceptlm.schema.placeholders import frame_placeholder
from perceptlm.world.facts import facts_in_text

TOTAL_FRAMES = 24
_ORIGIN = Origin(kind="program", name="test", revision="1", licence="CC0-1.0")
_KINDS = ("ball", "cat", "house", "boat", "star", "key", "apple", "crown")
_COLOURS = ("red", "blue", "green", "yellow")


def build_sample(task: str, clip: int, split: str, text: str, answer: dict, **more: object) -> Sample:
    """Return a Sample about clip `clip` (an image for image tasks)."""
    is_image = task.startswith("image")
    path = f"{split}/images/{clip}.png" if is_image else f"{split}/videos/{clip}.mp4"
    media = MediaRef(kind="image" if is_image else "video", path=path, width=32, height=32)
    if not is_image:
        media = media.model_copy(update={"num_frames": TOTAL_FRAMES, "frames_per_second": "8"})
    values = {
        "id": f"{split}-{clip}-{task}",
        "turns": [{"role": "user", "text": f"Question about {task}."}, {"role": "assistant", "text": text}],
        "cluster": f"{'image' if is_image else 'clip'}-{clip}",
        "template": f"{task}/plain",
        "dimension": "what",
    }
    return Sample.model_validate(
        {"task": task, "split": split, "media": [media], "answer": answer, "origin": _ORIGIN, **values, **more}
    )


def samples_of_clip(clip: int, split: str) -> list[Sample]:
    """Return one question of every task about one clip; answers differ from clip to clip."""
    kind, colour, count = _KINDS[clip % 8], _COLOURS[clip % 4], ("once", "twice", "three times")[clip % 3]
    caption = f"The {colour} {kind} jumps {count}."
    start, end = 3 + 3 * (clip % 2), 15 + 3 * (clip // 2 % 2)
    facts = facts_in_text(caption)
    region = BoxTrack(subject=kind, boxes=dict.fromkeys(range(start, end), (4, 4, 20, 20)))
    counted = [fact for fact in facts if fact.slot == "count"]
    span = {"start_frame": start, "end_frame": end}
    fgqa = [
        build_sample(
            "fgqa",
            clip,
            split,
            f"({'AB'[(clip + part) % 2]}) yes it does",
            {"type": "choice", "options": [("yes it does", "no it does not")[(clip + part + i) % 2] for i in (0, 1)],
             "index": (clip + part) % 2},
            id=f"{split}-{clip}-fgqa-{part}",
            group=f"{split}-{clip}",
        )
        for part in range(3)
    ]  # fmt: skip
    lines = [(0, start, "Out of frame."), (start, end, caption), (end, TOTAL_FRAMES - 1, "Out of frame.")]
    dense_text = "\n".join(f"[{frame_placeholder(a)}, {frame_placeholder(b)}]: {words}" for a, b, words in lines)
    segments = [
        {"span": {"start_frame": a, "end_frame": b}, "caption": words, "facts": facts_in_text(words)}
        for a, b, words in lines
    ]
    span_text = f"[{frame_placeholder(start)}, {frame_placeholder(end)}]"
    regions = {"regions": [region]}
    return [
        *fgqa,
        build_sample("sgqa", clip, split, f"It jumps {count}.", {"type": "text", "text": count, "facts": counted}),
        build_sample("rcap", clip, split, caption, {"type": "text", "text": caption, "facts": facts}, **regions),
        build_sample("rtloc", clip, split, span_text, {"type": "span", "span": span}, **regions),
        build_sample("rdcap", clip, split, dense_text, {"type": "dense", "segments": segments}, **regions),
        build_sample("video_caption", clip, split, caption, {"type": "text", "text": caption, "facts": facts}),
        build_sample("image_caption", clip, split, caption, {"type": "text", "text": caption, "facts": facts}),
        build_sample("image_qa", clip, split, f"{count}.", {"type": "text", "text": count, "facts": counted}),
    ]


@pytest.fixture(scope="session")
def make_sample() -> Callable[..., Sample]:
    return build_sample


@pytest.fixture(scope="session")
def clip_samples() -> Callable[[int, str], list[Sample]]:
    return samples_of_clip


def build_row(
    row: str,
    clip: int,
    *,
    score: float | None,
    part: int = 0,
    number: int = 0,
    degenerate: bool = False,
    **more: object,
) -> Row:
    """Return one line of `rows.jsonl`; `part` numbers the questions of an FGQA group."""
    outcome = (
        {"outcome": "value", "score": score} if score is not None else {"outcome": "unscored", "reason": "no facts"}
    )
    values = {
        "id": f"{row}-{clip}-{number}-{part}",
        "row": row,
        "task": row,
        "variant": "own",
        "prompt": f"Question {clip}?",
        "prediction": "Perhaps.",
        "finish_reason": "stop",
        "reference": "Surely.",
        "score": {**outcome, "degenerate": degenerate},
        "num_frames": 8,
        "template": row,
        "dimension": "what",
        "cluster": f"clip-{clip}",
        "group": f"{row}-{clip}-{number}" if row == "fgqa" else None,
        "attributes": {},
    }
    return Row.model_validate({**values, **more})


@pytest.fixture(scope="session")
def make_row() -> Callable[..., Row]:
    return build_row


def build_world(folder: Path, change: Callable[[Sample], Sample] = lambda sample: sample) -> Path:
    """Return a world artifact of five benchmark clips and eight training clips, each a flat grey, samples changed."""
    num_clips = {"train": 8, "benchmark": 5}

    def make(partial: Path) -> None:
        for split, number in num_clips.items():
            (partial / split / "videos").mkdir(parents=True, exist_ok=True)
            (partial / split / "images").mkdir(exist_ok=True)
            for clip in range(number):
                frames = np.full((TOTAL_FRAMES, 32, 32, 3), 20 + 25 * clip, np.uint8)
                write_video(partial / split / "videos" / f"{clip}.mp4", frames, Fraction(8))
                write_png(partial / split / "images" / f"{clip}.png", frames[0])
            samples = [change(sample) for clip in range(number) for sample in samples_of_clip(clip, split)]
            write_records(partial / split / "samples.jsonl", samples)

    return artifact.build(folder, kind="world", recipe={"test": 1}, make=make)


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world artifact of five benchmark clips and eight training clips, each a flat grey."""
    return build_world(tmp_path_factory.mktemp("world") / "world")


@pytest.fixture(scope="session")
def asking_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but every question begins with its id."""

    def change(sample: Sample) -> Sample:
        question = sample.turns[0].model_copy(update={"text": f"{sample.id}: {sample.turns[0].text}"})
        return sample.model_copy(update={"turns": (question, *sample.turns[1:])})

    return build_world(tmp_path_factory.mktemp("asking") / "world", change)


class FakeClient:
    """Answers by a function of the request; remembers what it was asked, and can die or fail on cue."""

    def __init__(self, answer: Callable[[GenerationRequest], str], *, name: str = "fake") -> None:
        self.answer = answer
        self.name = name
        self.asked: list[GenerationRequest] = []
        self.die_after: int | None = None
        self.failing: frozenset[str] = frozenset()

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(name=self.name, revision="1", licence="CC0-1.0", backend="test")

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[GenerationResult]:
        for request in requests:
            if self.die_after is not None and len(self.asked) >= self.die_after:
                raise KeyboardInterrupt
            self.asked.append(request)
            if request.id in self.failing:
                yield GenerationResult(request.id, "", "error", error="the server is down")
            else:
                yield GenerationResult(request.id, self.answer(request), "stop")


@pytest.fixture(scope="session")
def fake_client() -> type[FakeClient]:
    return FakeClient

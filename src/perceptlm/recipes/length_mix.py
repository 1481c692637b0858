"""How long the samples of a stage of PLM are: pictures, tokens and supervised tokens, drawn by named seeds.

`length_mix.yaml` says which kinds of samples there are and where each figure comes from; shares come from the published
blends, tiles from the published rule. For forecasts and measurements: no sample of any dataset is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from perceptlm.config import Config, load_yaml
from perceptlm.data.catalogue import BLEND_STAGES, published_blend
from perceptlm.preprocess.tiling import tile_grid
from perceptlm.recipes.plm_stages import PlmStage, model_of
from perceptlm.seeding import Name, generator
from perceptlm.train.configuration import StageName
from perceptlm.train.rank_memory import Workload

_TURN_TOKENS = 5
"""Of plm_sft: a header of four tokens before each text and <|eot_id|> after it."""
_END_TOKENS = 1
"""<|end_of_text|> after the last answer, or the line break of the warm-up."""
Size = tuple[int, int, float]
"""Width, height and share."""
Counts = NDArray[np.int64]


class TextLength(Config):
    """Tokens of a text: log-normal, of this mean, with `spread` the standard deviation of the logarithm."""

    mean: float = Field(ge=1)
    spread: float = Field(ge=0, le=2)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> Counts:
        """Return whole numbers of at least 1."""
        drawn = rng.lognormal(np.log(self.mean) - self.spread**2 / 2, self.spread, shape)
        return np.maximum(1, np.rint(drawn)).astype(np.int64)


class SampleKind(Config):
    """Samples that are alike. `lines` are parts of lines of the published blends, `warmup` the share in the warm-up."""

    key: str
    lines: dict[str, float]
    warmup: float = Field(default=0.0, ge=0, le=1)
    media: Literal["image", "images", "video", "none"]
    sizes: str | None = None
    num_images: tuple[int, int] = (1, 1)
    pairs: tuple[int, int]
    prompt: TextLength
    answer: TextLength
    source: str

    @model_validator(mode="after")
    def _whole(self) -> SampleKind:
        if (self.media == "image") != (self.sizes is not None):
            raise ValueError(f"'{self.key}': sizes are for the kinds that show one image")
        for low, high in (self.num_images, self.pairs):
            if not 1 <= low <= high:
                raise ValueError(f"'{self.key}': {low} to {high} is no range from 1 on")
        return self


class LengthMix(Config):
    """The whole of `length_mix.yaml`: every line of both blends is wholly shared out over kinds."""

    system_tokens: int = Field(ge=0)
    sizes: dict[str, tuple[Size, ...]]
    kinds: tuple[SampleKind, ...]

    @model_validator(mode="after")
    def _whole(self) -> LengthMix:
        parts: dict[str, float] = {}
        for kind in self.kinds:
            if kind.sizes is not None and kind.sizes not in self.sizes:
                raise ValueError(f"'{kind.key}': there are no sizes '{kind.sizes}'")
            for line, part in kind.lines.items():
                parts[line] = parts.get(line, 0.0) + part
        totals = {f"sizes '{name}'": sum(share for _, _, share in sizes) for name, sizes in self.sizes.items()}
        totals |= {f"line '{line}'": total for line, total in parts.items()}
        totals |= {"the warm-up": sum(kind.warmup for kind in self.kinds)}
        known = {line.line.key for stage in BLEND_STAGES for line in published_blend(stage).lines}
        if odd := known ^ set(parts):
            raise ValueError(f"lines that the blends or the kinds lack: {', '.join(sorted(odd))}")
        for name, total in totals.items():
            if abs(total - 1) > 1e-9:
                raise ValueError(f"the parts of {name} sum to {total}")
        return self

    def shares(self, stage: StageName) -> tuple[float, ...]:
        """Return the share of every kind among the samples of a stage."""
        if stage == "warmup":
            return tuple(kind.warmup for kind in self.kinds)
        of_line = {line.line.key: line.share for line in published_blend(stage).lines}
        return tuple(sum(part * of_line.get(line, 0.0) for line, part in kind.lines.items()) for kind in self.kinds)


@dataclass(frozen=True)
class DrawnSamples:
    """Samples as arrays (n,): the place of each in the kinds of the mix, its pictures, tokens and supervised tokens.

    `num_tokens` counts vision tokens and is at most the stage's longest sequence: what is beyond is cut off its answer.
    """

    kinds: Counts
    num_pictures: Counts
    num_tokens: Counts
    num_supervised: Counts
    num_cut: int


@cache
def length_mix() -> LengthMix:
    """Return the mix that comes with the package."""
    return load_yaml(LengthMix, Path(__file__).with_suffix(".yaml"))


def draw_samples(stage: PlmStage, num_samples: int, seed: int, *names: Name) -> DrawnSamples:
    """Return samples of a stage as drawn from (seed, names), the same on every machine."""
    mix = length_mix()
    shares = np.array(mix.shares(stage.name))
    rng = generator(seed, "length mix", stage.name, *names)
    kinds = rng.choice(len(shares), num_samples, p=shares / shares.sum()).astype(np.int64)
    pictures, texts, supervised = (np.zeros(num_samples, np.int64) for _ in range(3))
    for place, kind in enumerate(mix.kinds):
        chosen = np.flatnonzero(kinds == place)
        rng = generator(seed, "length mix", stage.name, kind.key, *names)
        pictures[chosen] = _draw_pictures(kind, stage, len(chosen), rng)
        texts[chosen], supervised[chosen] = _draw_texts(kind, stage, len(chosen), rng)
    tokens = pictures * model_of(stage).layout.tokens_per_picture + texts
    beyond = np.maximum(tokens - stage.max_tokens, 0)
    supervised = np.maximum(supervised - beyond, 0)
    return DrawnSamples(kinds, pictures, tokens - beyond, supervised, int(np.count_nonzero(beyond)))


def mean_sample(stage: PlmStage) -> Workload:
    """Return the mean sample of a stage, for forecasts: exact for the mix, but for what is cut off the longest."""
    mix = length_mix()
    pictures = tokens = supervised = 0.0
    for kind, share in zip(mix.kinds, mix.shares(stage.name), strict=True):
        pairs = sum(kind.pairs) / 2
        pictures += share * sum(number * part for number, part in _picture_counts(kind, stage))
        if stage.template == "warmup":
            of_answers = of_text = kind.answer.mean + _END_TOKENS
        else:
            of_answers = pairs * (kind.answer.mean + _TURN_TOKENS) + _END_TOKENS
            of_text = of_answers + pairs * (kind.prompt.mean + _TURN_TOKENS) + _system_tokens()
        tokens += share * of_text
        supervised += share * of_answers
    return Workload(pictures, pictures * model_of(stage).layout.tokens_per_picture + tokens, supervised)


def largest_sample(stage: PlmStage) -> Workload:
    """Return the sample that takes most memory: as many pictures as the stage shows, text up to its longest sequence.

    Its answers are of the usual length.
    """
    num_pictures = 1 if stage.vision_input == "vanilla" else max(1 + stage.max_tiles, stage.num_frames)
    return Workload(num_pictures, stage.max_tokens, mean_sample(stage).num_supervised)


def _picture_counts(kind: SampleKind, stage: PlmStage) -> Sequence[tuple[int, float]]:
    """Return every number of pictures that a sample of this kind may have, with its chance."""
    if kind.media == "none":
        return [(0, 1.0)]
    if kind.media == "video":
        return [(stage.num_frames, 1.0)]
    if kind.media == "images":
        low, high = kind.num_images
        return [(number, 1 / (high - low + 1)) for number in range(low, high + 1)]
    if stage.vision_input == "vanilla":
        return [(1, 1.0)]
    assert kind.sizes is not None
    found = []
    for width, height, share in length_mix().sizes[kind.sizes]:
        columns, rows = tile_grid(width, height, stage.max_tiles)
        found.append((1 + columns * rows, share))
    return found


def _draw_pictures(kind: SampleKind, stage: PlmStage, num_samples: int, rng: np.random.Generator) -> Counts:
    numbers, chances = zip(*_picture_counts(kind, stage), strict=True)
    return rng.choice(np.array(numbers, np.int64), num_samples, p=np.array(chances) / sum(chances))


def _draw_texts(kind: SampleKind, stage: PlmStage, num_samples: int, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """Return the tokens of all texts of each sample, and how many of them are supervised."""
    low, high = kind.pairs
    answers = kind.answer.draw(rng, (num_samples, high))
    if stage.template == "warmup":  # one caption and a line break
        return answers[:, 0] + _END_TOKENS, answers[:, 0] + _END_TOKENS
    prompts = kind.prompt.draw(rng, (num_samples, high))
    there = np.arange(high) < rng.integers(low, high + 1, (num_samples, 1))
    of_answers = ((answers + _TURN_TOKENS) * there).sum(1) + _END_TOKENS
    return of_answers + ((prompts + _TURN_TOKENS) * there).sum(1) + _system_tokens(), of_answers


def _system_tokens() -> int:
    """Return the tokens of <|begin_of_text|> and the system text."""
    return 1 + length_mix().system_tokens + _TURN_TOKENS

"""The life of one Sample, stage by stage, with the actual files and tensors.

`trace` follows a record of a world artifact through decoding, preprocessing, collation, the model's parts, the loss
and generation, writes what it met at each step into one folder, and tells the story in `life.md`. The story holds only
what every machine computes alike (text, shapes, whole numbers); floating-point results are in the files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from perceptlm.artifact import read_manifest, require_kind, write_atomic
from perceptlm.batch import IGNORED_TARGET, Batch, Example
from perceptlm.clients import GenerationRequest, MediaInput
from perceptlm.data.sample_set import SampleSet
from perceptlm.errors import DataError
from perceptlm.inference.client import LocalClient
from perceptlm.media.contact_sheet import contact_sheet
from perceptlm.media.image import write_png
from perceptlm.media.pictures import LoadedPictures, load_pictures
from perceptlm.media.video import Video
from perceptlm.preprocess.conversation import resolved_turns
from perceptlm.pretrained import LoadedModel, load
from perceptlm.schema import Sample

SPLITS = ("train", "validation", "benchmark")


@dataclass
class _Story:
    """Text of `life.md` and the folder the files go to."""

    folder: Path
    lines: list[str] = field(default_factory=list)

    def heading(self, text: str) -> None:
        self.lines += ["", f"## {text}", ""]

    def say(self, text: str) -> None:
        self.lines.append(text)

    def block(self, text: str, language: str = "text") -> None:
        self.lines += ["", f"```{language}", text, "```", ""]


def find_sample(world: Path, sample_id: str | None) -> Sample:
    """Return the record with this id, or the first RTLoc record; DataError if there is none."""
    for split in SPLITS:
        for sample in SampleSet.open(world, split).samples:
            if sample.id == sample_id or (sample_id is None and sample.task == "rtloc"):
                return sample
    raise DataError(f"no sample with id '{sample_id}'", path=world, hint="ids are in SPLIT/samples.jsonl")


def trace(out: Path, *, world: Path, model: Path, sample_id: str | None = None) -> Path:
    """Follow one Sample through the chain; write the files of every step and `life.md` into `out`."""
    require_kind(world, "world")
    sample = find_sample(world, sample_id)
    loaded = load(model)
    out.mkdir(parents=True, exist_ok=True)
    story = _Story(out, [f"# The life of Sample `{sample.id}`"])
    _tell_record(story, sample)
    pictures = _tell_pictures(story, sample, world, loaded)
    example = _tell_example(story, sample, world, loaded)
    batch = _tell_batch(story, example, loaded)
    _tell_model(story, batch, loaded, model)
    _tell_generation(story, sample, pictures, loaded, model)
    write_atomic(out / "life.md", ("\n".join(story.lines).strip() + "\n").encode())
    return out


def _tell_record(story: _Story, sample: Sample) -> None:
    story.heading("1. The record")
    asked = "" if sample.dimension is None else f" (`{sample.dimension}`)"
    story.say(
        f"A `{sample.task}` question{asked} of the {sample.split} split, made by {sample.origin.kind} "
        f"`{sample.origin.name}` {sample.origin.revision}, licence {sample.origin.licence}. All of it: `1-sample.json`."
    )
    write_atomic(story.folder / "1-sample.json", (json.dumps(sample.to_dict(), indent=1) + "\n").encode())
    story.block("\n".join(f"{turn.role}: {turn.text}" for turn in sample.turns))
    for region in sample.regions:
        story.say(f"It points at one subject, shown in {len(region.frames)} of {sample.media[0].num_frames} frames.")


def _tell_pictures(story: _Story, sample: Sample, world: Path, loaded: LoadedModel) -> LoadedPictures:
    story.heading("2. Its pictures")
    media = sample.media[0]
    num_frames = loaded.processor.config.num_frames
    pictures = load_pictures(sample, world, num_frames=num_frames, choice=loaded.processor.config.frame_choice)
    if media.kind == "video":
        with Video(world / media.path) as video:
            table = video.table
        story.say(
            f"`{media.path}`: {table.num_frames} decoded frames of {table.width}x{table.height}, the last one shown "
            f"at {table.times[-1]} s. {len(pictures.pictures)} are sampled, at source frames "
            f"{list(pictures.source_indices)}."
        )
    else:
        story.say(f"`{media.path}`: one picture of {media.width}x{media.height}.")
    captions = [f"{number}: source {index}" for number, index in enumerate(pictures.source_indices)]
    write_png(story.folder / "2-pictures.png", contact_sheet(np.stack(pictures.pictures), captions=captions))
    story.say("With the red box drawn where there is one: `2-pictures.png`.")
    return pictures


def _tell_example(story: _Story, sample: Sample, world: Path, loaded: LoadedModel) -> Example:
    story.heading("3. The Example")
    processor = loaded.processor
    example = processor.example([sample], world)
    layout = processor.config.layout
    story.say(
        f"{len(example.pictures)} pictures of {layout.tile_size}x{layout.tile_size} become {layout.tokens_per_picture} "
        f"vision tokens each. {example.num_tokens} tokens in all, of which {example.num_supervised} are targets. "
        "Runs of image placeholders are shortened here; every token is in `3-example.txt`, the arrays in "
        "`3-example.safetensors`."
    )
    rows, short = _token_rows(example, loaded)
    write_atomic(story.folder / "3-example.txt", ("\n".join(rows) + "\n").encode())
    write_atomic(story.folder / "3-example.safetensors", save(_example_tensors(example)))
    story.block("\n".join(short))
    return example


def _token_rows(example: Example, loaded: LoadedModel) -> tuple[list[str], list[str]]:
    """Return one line per token, and the same with runs of image placeholders folded."""
    processor = loaded.processor
    head = f"{'position':>8} {'branch':>6} {'token':<24} target"
    rows, short, run = [head], [head], 0
    for index, token_id in enumerate(example.input_ids):
        target = int(example.targets[index])
        shown = "" if target == IGNORED_TARGET else repr(processor.tokenizer.decode([target], keep_special=True))
        name = repr(processor.tokenizer.decode([int(token_id)], keep_special=True))
        row = f"{example.positions[index]:>8} {example.branch[index]:>6} {name:<24} {shown}".rstrip()
        rows.append(row)
        run = run + 1 if token_id == processor.image_token_id else 0
        if run == 2:
            short.append(f"{'...':>8}")
        if run < 2:
            short.append(row)
    return rows, short


def _example_tensors(example: Example) -> dict[str, Tensor]:
    names = ("input_ids", "targets", "positions", "branch", "tag", "pictures")
    # Copies: torch warns of arrays that cannot be written, and cached pictures cannot.
    return {name: torch.from_numpy(np.array(getattr(example, name))) for name in names}


def _tell_batch(story: _Story, example: Example, loaded: LoadedModel) -> Batch:
    story.heading("4. The Batch")
    batch = loaded.processor.collate([example])
    mask = batch.attention_mask()
    story.say(
        f"Alone in its row: input_ids {_shape(batch.input_ids)}, pictures {_shape(batch.pictures)} in [-1, 1]. "
        f"The attention mask {_shape(mask)} allows {int(mask.sum())} query-key pairs."
    )
    return batch


def _tell_model(story: _Story, batch: Batch, loaded: LoadedModel, directory: Path) -> None:
    story.heading("5. The model")
    model = loaded.model.eval()
    with torch.no_grad():
        vision_tokens = model.encode(batch.pictures)
        logits = model(batch)
        loss = model.loss(batch)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    story.say(
        f"A {read_manifest(directory).kind} with {num_parameters:,} parameters. Encoder and projector give vision "
        f"tokens {_shape(vision_tokens)}; the decoder gives logits {_shape(logits)}; the loss is a sum over "
        f"{loss.num_targets} targets divided by their number. Values: `5-model.safetensors`, `5-loss.json`."
    )
    tensors = {"vision_tokens": vision_tokens.contiguous(), "logits": logits.float().contiguous()}
    write_atomic(story.folder / "5-model.safetensors", save(tensors))
    record = {"total": float(loss.total), "num_targets": loss.num_targets}
    write_atomic(story.folder / "5-loss.json", (json.dumps(record) + "\n").encode())


def _tell_generation(
    story: _Story, sample: Sample, pictures: LoadedPictures, loaded: LoadedModel, directory: Path
) -> None:
    story.heading("6. The answer")
    shown = len(pictures.pictures)
    turns = tuple(resolved_turns(sample, num_frames=shown))
    request = GenerationRequest(
        id=sample.id,
        turns=turns[:-1],
        media=(MediaInput(kind=sample.media[0].kind, pictures=tuple(pictures.pictures)),),
        max_new_tokens=64,
    )
    result = next(iter(LocalClient(loaded).generate([request])))
    record = {"prompt": turns[-2].text, "reference": turns[-1].text, "prediction": result.text}
    write_atomic(story.folder / "6-answer.json", (json.dumps(record, indent=1) + "\n").encode())
    story.say("Asked as the benchmark asks, with frame numbers of the frames shown:")
    story.block(turns[-2].text)
    story.say(f"Reference: `{turns[-1].text}`. What the model said is in `6-answer.json`.")


def _shape(tensor: Tensor) -> str:
    return "(" + ", ".join(str(size) for size in tensor.shape) + ")"

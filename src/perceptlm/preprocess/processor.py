"""Processor: Samples and generation requests -> Examples -> Batches, and token ids -> text.

Everything a model needs beside its weights, saved and loaded as one directory. It knows the vision encoder only as a
VisionLayout and never a model.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perceptlm.batch import IGNORED_TARGET, Batch, Example
from perceptlm.clients.protocol import GenerationRequest, MediaInput
from perceptlm.errors import DataError
from perceptlm.media.pictures import frames_shown, load_pictures, pictures_key, resolve_media_path
from perceptlm.preprocess import packing, processor_files
from perceptlm.preprocess.configuration import ProcessorConfig, Template
from perceptlm.preprocess.conversation import (
    TokenRun,
    picture_ids,
    prefix_ids,
    prompt_branch,
    resolved_turns,
    system_text,
    training_branch,
)
from perceptlm.preprocess.picture_cache import PictureCache, PreparedPictures
from perceptlm.preprocess.tiling import num_tiles_of, tiles_of
from perceptlm.preprocess.tokenizer import END_OF_TEXT, END_OF_TURN, IMAGE, Tokenizer
from perceptlm.schema import MediaRef, Sample, Turn

__all__ = ["Processor", "ProcessorConfig"]

_CACHE_BYTES = 256 * 2**20


class Processor:
    """Turns Samples into Examples for training and requests into prompts, always in the same layout.

    `num_dropped_branches` counts the Samples that `example` left out so far because they did not fit.
    """

    def __init__(self, config: ProcessorConfig, tokenizer: Tokenizer) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.num_dropped_branches = 0
        self._cache = PictureCache(_CACHE_BYTES)

    @classmethod
    def load(cls, directory: Path) -> Processor:
        """Read what `save` wrote; DataError or ConfigError names the file that is missing or wrong."""
        return cls(*processor_files.read(directory))

    def save(self, directory: Path) -> None:
        """Write the processor into an existing `directory`, in the files `transformers` reads and one of our own."""
        processor_files.write(directory, self.config, self.tokenizer)

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return self.tokenizer.vocab_size

    @property
    def image_token_id(self) -> int:
        """The placeholder of every vision token."""
        return self.tokenizer.special_id(IMAGE)

    @property
    def pad_token_id(self) -> int:
        """What padding is filled with."""
        return self.tokenizer.special_id(END_OF_TEXT)

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """The tokens that end an answer (facts/reference-implementation.md 2.6)."""
        return (self.tokenizer.special_id(END_OF_TEXT), self.tokenizer.special_id(END_OF_TURN))

    def example(
        self, samples: Sequence[Sample], root: Path, *, template: Template | None = None, blank: bool = False
    ) -> Example:
        """Return one Example of `samples` about the same pictures: a shared prefix and a branch for each.

        A `blank` one opens no file: how many pictures there are follows from the records.

        If they do not all fit `max_tokens`, branches are left out from the end: `ids` names those kept, and
        `num_dropped_branches` counts the others. If not even the first fits, DataError. With `warmup` the
        questions go unused, and the first token of a caption is learnt at the last placeholder; as that position is
        shared, only the first branch has it.
        """
        first = samples[0]
        key = (pictures_key(first), system_text(first.turns))
        for sample in samples[1:]:
            if (pictures_key(sample), system_text(sample.turns)) != key:
                raise DataError(f"samples {first.id} and {sample.id} differ in media, regions or system text")
        prepared = self._announced(first) if blank else self._prepare(first, root)
        template = template or self.config.template
        prefix = self._prefix(template, system_text(_resolved(first, prepared)), len(prepared.tiles), first.media)
        room = self.config.max_tokens - len(prefix)
        kept: list[Sample] = []
        branches: list[TokenRun] = []
        for sample in samples:
            branch = training_branch(self.tokenizer, template, _resolved(sample, prepared))
            if len(branch.ids) > room:
                break
            room -= len(branch.ids)
            kept.append(sample)
            branches.append(branch)
        if not kept:
            needed = len(prefix) + len(branch.ids)
            raise DataError(
                f"sample {first.id}: {needed} tokens ({len(prefix)} before the question) exceed max_tokens "
                f"{self.config.max_tokens}",
                hint="raise max_tokens, or show fewer frames or tiles",
            )
        self.num_dropped_branches += len(samples) - len(kept)
        example = assemble(tuple(sample.id for sample in kept), prefix, branches, kept, prepared.tiles, blank)
        if not example.num_supervised:
            raise DataError(f"sample {first.id}: there is nothing to learn from an empty answer")
        return example

    def prompt(self, request: GenerationRequest) -> Example:
        """Return the Example that asks `request`: one branch without targets, up to the assistant's header.

        Raises DataError if it does not fit `max_tokens`, or there is nothing to go on from.
        """
        config = self.config
        tiles = tiles_of(
            request.media,
            tile_size=config.layout.tile_size,
            max_tiles=config.max_tiles,
            vision_input=config.vision_input,
            resize_backend=config.resize_backend,
        )
        prefix = self._prefix(config.template, system_text(request.turns), len(tiles), request.media)
        branch = prompt_branch(self.tokenizer, config.template, request.turns)
        num_tokens = len(prefix) + len(branch.ids)
        if not 0 < num_tokens <= config.max_tokens:
            raise DataError(
                f"request {request.id}: {num_tokens} tokens, but a prompt has 1 to {config.max_tokens}",
                hint="ask a shorter question, or show fewer pictures",
            )
        return assemble((request.id,), prefix, [branch], [], tiles)

    def collate(self, examples: Sequence[Example], *, max_tokens: int | None = None) -> Batch:
        """Return the Batch of `examples`: packed into rows of `max_tokens`, or one row each."""
        return packing.collate(
            examples, max_tokens=max_tokens, pad_token_id=self.pad_token_id, image_token_id=self.image_token_id
        )

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of `token_ids` without special tokens."""
        return self.tokenizer.decode(token_ids)

    def _prefix(
        self, template: Template, system: str, num_pictures: int, media: Sequence[MediaRef | MediaInput]
    ) -> list[int]:
        numbered = self.config.frame_numbers and [item.kind for item in media] == ["video"]
        pictures = picture_ids(self.tokenizer, num_pictures, self.config.layout.tokens_per_picture, numbered=numbered)
        return prefix_ids(self.tokenizer, template, system) + pictures

    def tiles(self, sample: Sample, root: Path) -> NDArray[np.uint8]:
        """Return the pictures of a Sample as a model is shown them, (N, 3, S, S), not to be written to."""
        return self._prepare(sample, root).tiles

    def tiles_key(self, sample: Sample, root: Path) -> Hashable:
        """Return what decides the tiles of a Sample: files (with time and size), frames sampled, regions drawn.

        Raises MediaError for a file that is missing or outside `root`.
        """
        files: list[Hashable] = []
        for item in sample.media:
            path = resolve_media_path(root, item.path)
            status = path.stat()
            files.append((str(path), status.st_mtime_ns, status.st_size))
        return (tuple(files), pictures_key(sample))

    def _prepare(self, sample: Sample, root: Path) -> PreparedPictures:
        def make() -> PreparedPictures:
            loaded = load_pictures(sample, root, num_frames=self.config.num_frames)
            tiles = tiles_of(
                loaded.media,
                tile_size=self.config.layout.tile_size,
                max_tiles=self.config.max_tiles,
                vision_input=self.config.vision_input,
                resize_backend=self.config.resize_backend,
            )
            return PreparedPictures(tiles, len(loaded.source_indices), loaded.total_frames)

        return self._cache.get(self.tiles_key(sample, root), make)

    def _announced(self, sample: Sample) -> PreparedPictures:
        """Return what `_prepare` would, as far as the record alone tells: all but the pixels."""
        size = self.config.layout.tile_size
        indices, total_frames = frames_shown(sample, num_frames=self.config.num_frames)
        num_tiles = num_tiles_of(
            sample.media,
            num_frames=len(indices),
            tile_size=size,
            max_tiles=self.config.max_tiles,
            vision_input=self.config.vision_input,
        )
        tiles = np.broadcast_to(np.zeros(1, np.uint8), (num_tiles, 3, size, size))
        return PreparedPictures(tiles, len(indices), total_frames)


def _resolved(sample: Sample, prepared: PreparedPictures) -> list[Turn]:
    """Return the turns with frame numbers in the frames shown."""
    return resolved_turns(sample, total_frames=prepared.total_frames, num_frames=prepared.num_frames)


def assemble(
    ids: tuple[str, ...],
    prefix: list[int],
    branches: Sequence[TokenRun],
    samples: Sequence[Sample],
    tiles: NDArray[np.uint8],
    blank: bool = False,
) -> Example:
    """Lay prefix and branches end to end; `samples` give the tags of supervised branches."""
    input_ids = np.array([*prefix, *(token for branch in branches for token in branch.ids)], np.int64)
    targets = np.full(len(input_ids), IGNORED_TARGET, np.int64)
    tag = np.full(len(input_ids), packing.NO_TAG, np.int64)
    positions = np.arange(len(input_ids), dtype=np.int64)
    branch_numbers = np.zeros(len(input_ids), np.int64)
    tags = tuple(dict.fromkeys(sample.task for sample in samples))
    start = len(prefix)
    for number, branch in enumerate(branches):
        end = start + len(branch.ids)
        positions[start:end] = len(prefix) + np.arange(len(branch.ids))
        branch_numbers[start:end] = number + 1
        # A target stands one position before its token. A branch's first token follows the prefix, not the branch
        # before it, and the prefix has room for one target only: that of the first branch.
        skipped = 1 if number or not prefix else 0
        learnt = start + skipped + np.flatnonzero(branch.supervised[skipped:])
        targets[learnt - 1] = input_ids[learnt]
        if len(learnt):
            tag[learnt - 1] = tags.index(samples[number].task)
        start = end
    return Example(
        ids=ids,
        input_ids=input_ids,
        targets=targets,
        positions=positions,
        branch=branch_numbers,
        tag=tag,
        tags=tags,
        pictures=tiles,
        blank=blank,
    )

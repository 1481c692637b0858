"""Processor: Samples and generation requests -> Examples -> Batches, and token ids -> text.

Everything a model needs beside its weights, saved and loaded as one directory. It knows the vision encoder only as a
VisionLayout and never a model.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perceptlm.batch import IGNORED_TARGET, Batch, Example
from perceptlm.clients.protocol import GenerationRequest, MediaInput
from perceptlm.errors import DataError
from perceptlm.media.pictures import frames_shown, load_pictures, pictures_key, resolve_media_path
from perceptlm.preprocess import packing, processor_files
from perceptlm.preprocess.chat_format import IMAGE
from perceptlm.preprocess.configuration import ProcessorConfig, Template
from perceptlm.preprocess.conversation import (
    TokenRun,
    judged_branches,
    picture_ids,
    prefix_ids,
    prompt_branch,
    resolved_turns,
    system_text,
    training_branch,
)
from perceptlm.preprocess.picture_cache import PictureCache
from perceptlm.preprocess.tiling import num_tiles_of, tiles_of
from perceptlm.preprocess.tokenizer import Tokenizer
from perceptlm.schema import MediaRef, Sample, Turn

__all__ = ["Processor", "ProcessorConfig"]

_CACHE_BYTES = 256 * 2**20


class Detail(NamedTuple):
    """How much of a Sample's media is shown: `max_tiles` is 0 where an image is its thumbnail alone."""

    num_frames: int
    max_tiles: int


class Processor:
    """Turns Samples into Examples for training and requests into prompts, always in the same layout.

    So far, `example` left out `num_dropped_branches` Samples because they did not fit, and showed `num_shortened` times
    fewer frames or tiles than the settings say.
    """

    def __init__(self, config: ProcessorConfig, tokenizer: Tokenizer) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self.num_dropped_branches = 0
        self.num_shortened = 0
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
        return self.tokenizer.special_id(self.tokenizer.chat.end_of_text)

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """The tokens that end an answer (facts/reference-implementation.md 2.6)."""
        chat = self.tokenizer.chat
        return (self.tokenizer.special_id(chat.end_of_text), self.tokenizer.special_id(chat.end_of_turn))

    def example(
        self,
        samples: Sequence[Sample],
        root: Path,
        *,
        template: Template | None = None,
        blank: bool = False,
        pairs: bool = False,
    ) -> Example:
        """Return one Example of `samples` about the same pictures: a shared prefix and a branch for each.

        A `blank` one opens no file: how many pictures there are follows from the records. With `pairs` (and `plm_sft`)
        a Sample with a rejected answer has a second branch for that, and has both or none.

        If they do not all fit `max_tokens`, branches are left out from the end: `ids` names those kept, and
        `num_dropped_branches` counts the others. If not even the first fits, it is shown with as many frames (spread as
        evenly) or tiles as do fit, at least one frame or the thumbnail: `num_shortened` counts how often. If that is
        too much as well, DataError. With `warmup` the questions go unused, and the first token of a caption is learnt
        at the last placeholder; as that position is shared, only the first branch has it.
        """
        first = samples[0]
        shared = _shared_part(first)
        for sample in samples[1:]:
            if _shared_part(sample) != shared:
                raise DataError(f"samples {first.id} and {sample.id} differ in media, regions or system text")
        template = template or self.config.template
        detail, prefix, found = self._fitted(samples, template, pairs)
        self.num_dropped_branches += len(samples) - len(found)
        kept = samples[: len(found)]
        tiles = self._blank_tiles(first, detail) if blank else self._prepare(first, root, detail)
        branches = [run for runs in found for run in runs]
        owners = [sample for sample, runs in zip(kept, found, strict=True) for _ in runs]
        example = assemble(tuple(sample.id for sample in kept), prefix, branches, owners, tiles, blank)
        if not example.num_supervised:
            raise DataError(f"sample {first.id}: there is nothing to learn from an empty answer")
        return example

    def _fitted(
        self, samples: Sequence[Sample], template: Template, pairs: bool
    ) -> tuple[Detail, list[int], list[list[TokenRun]]]:
        """Return prefix and branches with the most detail for which there is room."""
        for num_cuts, detail in enumerate(self._details(samples[0])):
            prefix, branches = self._layout(samples, template, detail, pairs)
            if branches:
                self.num_shortened += num_cuts > 0
                return detail, prefix, branches
        raise DataError(
            f"sample {samples[0].id}: {len(prefix)} tokens before the question, and it, exceed max_tokens "
            f"{self.config.max_tokens}, with the fewest pictures that can be shown",
            hint="raise max_tokens, or shorten the text",
        )

    def _details(self, sample: Sample) -> Iterator[Detail]:
        """Yield how a Sample may be shown: as the settings say, then with ever less, each with fewer pictures."""
        config = self.config
        most = Detail(config.num_frames, config.max_tiles)
        yield most
        num_pictures = self._num_pictures(sample, most)
        fewer_frames = (Detail(number, config.max_tiles) for number in range(config.num_frames - 1, 0, -1))
        fewer_tiles = (Detail(config.num_frames, number) for number in range(config.max_tiles - 1, -1, -1))
        for detail in (*fewer_frames, *fewer_tiles):
            if self._num_pictures(sample, detail) < num_pictures:
                num_pictures = self._num_pictures(sample, detail)
                yield detail

    def _layout(
        self, samples: Sequence[Sample], template: Template, detail: Detail, pairs: bool
    ) -> tuple[list[int], list[list[TokenRun]]]:
        """Return the prefix, and the branches of each of as many of the first Samples as there is room for."""
        first = samples[0]
        num_pictures = self._num_pictures(first, detail)
        kinds, image_ids = [item.kind for item in first.media], self._image_ids()
        in_front = template == "warmup" or not first.images_in_text
        prefix = self._prefix(
            template, system_text(self._resolved(first, detail)), num_pictures if in_front else 0, first.media
        )
        room = self.config.max_tokens - len(prefix)
        branches: list[list[TokenRun]] = []
        for sample in samples:
            turns = self._resolved(sample, detail)
            if pairs and sample.rejected is not None:
                judged = self._resolved(sample.model_copy(update={"turns": sample.rejected_turns}), detail)
                runs = judged_branches(self.tokenizer, turns, judged, kinds=kinds, image_ids=image_ids)
            else:
                runs = [training_branch(self.tokenizer, template, turns, kinds=kinds, image_ids=image_ids)]
            room -= sum(len(run.ids) for run in runs)
            if room < 0:
                break
            branches.append(runs)
        return prefix, branches

    def prompt(self, request: GenerationRequest) -> Example:
        """Return the Example that asks `request`: one branch without targets, up to the assistant's header.

        Images within the text belong to the shared part, and so does the text before the last of them. Raises DataError
        if it does not fit `max_tokens`, or there is nothing to go on from.
        """
        config = self.config
        tiles = tiles_of(
            request.media,
            tile_size=config.layout.tile_size,
            max_tiles=config.max_tiles,
            vision_input=config.vision_input,
            resize_backend=config.resize_backend,
        )
        within, own = self._prompt_ids(request)
        in_front = 0 if within else len(tiles)
        prefix = self._prefix(config.template, system_text(request.turns), in_front, request.media) + within
        num_tokens = len(prefix) + len(own)
        if not 0 < num_tokens <= config.max_tokens:
            raise DataError(
                f"request {request.id}: {num_tokens} tokens, but a prompt has 1 to {config.max_tokens}",
                hint="ask a shorter question, or show fewer pictures",
            )
        return assemble((request.id,), prefix, [TokenRun(own, [False] * len(own))], [], tiles)

    def own_ids(self, request: GenerationRequest) -> list[int]:
        """Return what a prompt has after its shared part, without looking at its pictures."""
        return self._prompt_ids(request)[1]

    def _prompt_ids(self, request: GenerationRequest) -> tuple[list[int], list[int]]:
        """Return what follows the user's header up to the last image within the text, and the rest."""
        kinds = [item.kind for item in request.media]
        branch = prompt_branch(
            self.tokenizer, self.config.template, request.turns, kinds=kinds, image_ids=self._image_ids()
        )
        # No text is ever encoded as a placeholder.
        places = [place for place, token in enumerate(branch.ids) if token == self.image_token_id]
        end = places[-1] + 1 if places else 0
        return branch.ids[:end], branch.ids[end:]

    def collate(self, examples: Sequence[Example], *, max_tokens: int | None = None) -> Batch:
        """Return the Batch of `examples`: packed into rows of `max_tokens`, or one row each."""
        return packing.collate(
            examples, max_tokens=max_tokens, pad_token_id=self.pad_token_id, image_token_id=self.image_token_id
        )

    def collate_rows(self, rows: Sequence[Sequence[Example]]) -> Batch:
        """Return the Batch whose rows hold these Examples; without any it is one row of padding."""
        return packing.collate_rows(rows, pad_token_id=self.pad_token_id, image_token_id=self.image_token_id)

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of `token_ids` without special tokens."""
        return self.tokenizer.decode(token_ids)

    def _prefix(
        self, template: Template, system: str, num_pictures: int, media: Sequence[MediaRef | MediaInput]
    ) -> list[int]:
        numbered = self.config.frame_numbers and [item.kind for item in media] == ["video"]
        pictures = picture_ids(self.tokenizer, num_pictures, self.config.layout.tokens_per_picture, numbered=numbered)
        return prefix_ids(self.tokenizer, template, system) + pictures

    def _image_ids(self) -> list[int]:
        return [self.image_token_id] * self.config.layout.tokens_per_picture

    def tiles(self, sample: Sample, root: Path, *, num_pictures: int | None = None) -> NDArray[np.uint8]:
        """Return the pictures of a Sample as a model is shown them, (N, 3, S, S), not to be written to.

        `num_pictures` are those of its Example, should it have had to be shortened.
        """
        details = self._details(sample)
        if num_pictures is None:
            return self._prepare(sample, root, next(details))
        return self._prepare(
            sample, root, next(detail for detail in details if self._num_pictures(sample, detail) == num_pictures)
        )

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

    def _prepare(self, sample: Sample, root: Path, detail: Detail) -> NDArray[np.uint8]:
        def make() -> NDArray[np.uint8]:
            choice = self.config.frame_choice
            return tiles_of(
                load_pictures(sample, root, num_frames=detail.num_frames, choice=choice).media,
                tile_size=self.config.layout.tile_size,
                max_tiles=detail.max_tiles,
                vision_input=self.config.vision_input,
                resize_backend=self.config.resize_backend,
            )

        return self._cache.get((self.tiles_key(sample, root), detail), make)

    def _blank_tiles(self, sample: Sample, detail: Detail) -> NDArray[np.uint8]:
        size = self.config.layout.tile_size
        return np.broadcast_to(np.zeros(1, np.uint8), (self._num_pictures(sample, detail), 3, size, size))

    def _num_pictures(self, sample: Sample, detail: Detail) -> int:
        """Return how many tiles `_prepare` makes, as the record tells without looking at a file."""
        return num_tiles_of(
            sample.media,
            num_frames=self._num_frames(sample, detail),
            tile_size=self.config.layout.tile_size,
            max_tiles=detail.max_tiles,
            vision_input=self.config.vision_input,
        )

    def _num_frames(self, sample: Sample, detail: Detail) -> int:
        """Return how many frames are shown."""
        return len(frames_shown(sample, num_frames=detail.num_frames, choice=self.config.frame_choice))

    def _resolved(self, sample: Sample, detail: Detail) -> list[Turn]:
        """Return the turns with frame numbers in the frames shown."""
        return resolved_turns(sample, num_frames=self._num_frames(sample, detail))


def _shared_part(sample: Sample) -> Hashable:
    """Return what Samples of one Example have in common."""
    alone = sample.id if sample.images_in_text else None
    return (pictures_key(sample), system_text(sample.turns), alone)


def assemble(
    ids: tuple[str, ...],
    prefix: list[int],
    branches: Sequence[TokenRun],
    samples: Sequence[Sample],
    tiles: NDArray[np.uint8],
    blank: bool = False,
) -> Example:
    """Lay prefix and branches end to end; `samples` give each branch's tag where it is supervised."""
    input_ids = np.array([*prefix, *(token for branch in branches for token in branch.ids)], np.int64)
    targets = np.full(len(input_ids), IGNORED_TARGET, np.int64)
    tag = np.full(len(input_ids), packing.NO_TAG, np.int64)
    positions = np.arange(len(input_ids), dtype=np.int64)
    branch_numbers = np.zeros(len(input_ids), np.int64)
    tags = tuple(dict.fromkeys(sample.task for sample in samples))
    start = len(prefix)
    num_shared = start + (branches[0].num_shared if branches else 0)
    for number, branch in enumerate(branches):
        end = start + len(branch.ids)
        if number:
            positions[start:end] = num_shared + np.arange(len(branch.ids))
        branch_numbers[max(start, num_shared) : end] = number + 1
        # A target stands one position before its token. A branch's first token follows the prefix, not the branch
        # before it, and the prefix has room for one target only: that of the first branch.
        skipped = 1 if number or not prefix else 0
        learnt = start + skipped + np.flatnonzero(branch.supervised[skipped:])
        targets[learnt - 1] = input_ids[learnt]
        if len(learnt):
            tag[learnt - 1] = tags.index(samples[number].task)
        start = end
    rejected_targets, pair = _split_off_rejected(len(prefix), branches, targets, tag)
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
        rejected_targets=rejected_targets,
        pair=pair,
    )


def _split_off_rejected(
    start: int, branches: Sequence[TokenRun], targets: NDArray[np.int64], tag: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | tuple[None, None]:
    """Take the targets of rejected branches out of `targets`, and number the pairs where their answers are learnt.

    `start` is where the first branch begins.
    """
    if not any(branch.rejected for branch in branches):
        return None, None
    rejected_targets, pair = np.full_like(targets, IGNORED_TARGET), np.full_like(targets, packing.NO_PAIR)
    num_pairs, before = 0, slice(0, 0)
    for branch in branches:
        end = start + len(branch.ids)
        # Targets stand one position before their tokens.
        answer = slice(start + branch.answer_start - 1, end - 1)
        if branch.rejected:
            rejected_targets[answer] = targets[answer]
            targets[start:end], tag[start:end] = IGNORED_TARGET, packing.NO_TAG
            pair[before], pair[answer] = num_pairs, num_pairs
            num_pairs += 1
        start, before = end, answer
    return rejected_targets, pair

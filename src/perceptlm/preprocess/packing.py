"""Examples -> Batch: packing several Examples in a row, padding, and normalising pictures.

Packing changes nothing in what is computed: attention never crosses from one Example (group) to another. Knows no
text, no tokenizer, no model. Torch is imported only when a Batch is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from perceptlm.batch import IGNORED_TARGET, Batch, Example
from perceptlm.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

NO_TAG = -1
"""`tag` where nothing is supervised."""
NO_PAIR = -1
"""`pair` where no answer is compared with another."""
PADDING_GROUP = -1


def first_fit(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Put each item, in the given order, into the first row with room for it; return the item numbers of each row.

    An item longer than `max_tokens` gets a row of its own. Takes n log n steps for n items.
    """
    num_leaves = 1 << max(0, len(lengths) - 1).bit_length()
    # A binary tree above all rows that there may be: each node has the most room of any row below it.
    room = [max_tokens] * (2 * num_leaves)
    rows: list[list[int]] = []
    for item, length in enumerate(lengths):
        needed = min(length, max_tokens)
        node = 1
        while node < num_leaves:
            node *= 2
            node += room[node] < needed
        row = node - num_leaves
        if row == len(rows):
            rows.append([])
        rows[row].append(item)
        room[node] -= needed
        while node > 1:
            node //= 2
            room[node] = max(room[2 * node], room[2 * node + 1])
    return rows


def pack(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Return the item numbers of each row of `max_tokens`: longest first, which leaves the least room unused."""
    longest_first = sorted(range(len(lengths)), key=lambda item: -lengths[item])
    rows = first_fit([lengths[item] for item in longest_first], max_tokens)
    return [[longest_first[place] for place in row] for row in rows]


def collate(examples: Sequence[Example], *, max_tokens: int | None, pad_token_id: int, image_token_id: int) -> Batch:
    """Return the Batch of `examples`, packed into rows of at most `max_tokens`; None gives each its own row.

    Rows are padded on the right to the longest one. Groups are numbered row by row, so that pictures, in the order of
    groups, are in the order of the placeholders they fill. Blank Examples, which do not mix with others, give one
    grey picture expanded to their number. Raises DataError for an Example longer than a row.
    """
    if not examples:
        raise ValueError("a batch needs at least one example")
    lengths = [example.num_tokens for example in examples]
    if max_tokens is None:
        rows = [[item] for item in range(len(examples))]
    else:
        for example, length in zip(examples, lengths, strict=True):
            if length > max_tokens:
                raise DataError(f"sample {example.ids[0]}: {length} tokens do not fit a row of {max_tokens}")
        rows = first_fit(lengths, max_tokens)
    ordered = [[examples[item] for item in row] for row in rows]
    return collate_rows(ordered, pad_token_id=pad_token_id, image_token_id=image_token_id)


def collate_rows(rows: Sequence[Sequence[Example]], *, pad_token_id: int, image_token_id: int) -> Batch:
    """Return the Batch whose rows hold these Examples; without any it is one row of padding, for a process that has
    nothing to do while others work."""
    import torch

    flat = [example for row in rows for example in row]
    tags = tuple(sorted({tag for example in flat for tag in example.tags}))
    arrays = _fill_rows(rows or [[]], tags, pad_token_id)
    return Batch(
        **{name: torch.from_numpy(values) for name, values in arrays.items()},
        pictures=_stack_pictures(flat),
        image_token_id=image_token_id,
        tags=tags,
        ids=tuple(example.ids for example in flat),
        pictures_per_group=tuple(len(example.pictures) for example in flat),
    )


def normalise(pictures: NDArray[np.uint8]) -> Tensor:
    """Map (N, 3, S, S) uint8 to float32 in [-1, 1]."""
    import torch

    return torch.from_numpy(pictures.astype(np.float32)).div_(255).sub_(0.5).div_(0.5)


def _stack_pictures(examples: Sequence[Example]) -> Tensor:
    if not examples:
        import torch

        return torch.zeros(0, 3, 1, 1)
    if not any(example.blank for example in examples):
        return normalise(np.concatenate([example.pictures for example in examples]))
    import torch

    if not all(example.blank for example in examples):
        raise ValueError("blank examples and examples with pixels do not mix in one batch")
    num_pictures = sum(len(example.pictures) for example in examples)
    shape = examples[0].pictures.shape[1:]
    return torch.zeros(1, *shape).expand(num_pictures, *shape)


def _fill_rows(
    rows: Sequence[Sequence[Example]], tags: tuple[str, ...], pad_token_id: int
) -> dict[str, NDArray[np.int64]]:
    width = max(1, *(sum(example.num_tokens for example in row) for row in rows))
    padding = {
        "input_ids": pad_token_id,
        "targets": IGNORED_TARGET,
        "positions": 0,
        "group": PADDING_GROUP,
        "branch": 0,
        "tag": NO_TAG,
    }
    if any(example.num_pairs for row in rows for example in row):
        padding |= {"rejected_targets": IGNORED_TARGET, "pair": NO_PAIR}
    arrays = {name: np.full((len(rows), width), value, np.int64) for name, value in padding.items()}
    group = num_pairs = 0
    for number, row in enumerate(rows):
        start = 0
        for example in row:
            end = start + example.num_tokens
            for name in ("input_ids", "targets", "positions", "branch"):
                arrays[name][number, start:end] = getattr(example, name)
            arrays["group"][number, start:end] = group
            # One more entry at the end, so that NO_TAG (-1) stays what it is.
            renumbered = np.array([*(tags.index(tag) for tag in example.tags), NO_TAG], np.int64)
            arrays["tag"][number, start:end] = renumbered[example.tag]
            if example.pair is not None and example.rejected_targets is not None:
                arrays["rejected_targets"][number, start:end] = example.rejected_targets
                arrays["pair"][number, start:end] = np.where(example.pair >= 0, example.pair + num_pairs, NO_PAIR)
                num_pairs += example.num_pairs
            group += 1
            start = end
    return arrays

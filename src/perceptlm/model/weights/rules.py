"""How tensors in memory become tensors of a file, and back: a layout is a list of rules, one for each in memory.

Every rule is exact, so that a round trip gives the same bytes, and works on the tensors of one rule alone, so that a
model of any size can pass through. It knows no names of any model and opens no files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from perceptlm.errors import WeightsError

_MOST_NAMED = 5


@dataclass(frozen=True)
class Rule:
    """The tensor `memory` is made of the tensors `files`, in this order, by `read`; `write` undoes it."""

    memory: str
    files: tuple[str, ...]
    read: Callable[[Sequence[Tensor]], Tensor]
    write: Callable[[Tensor], Sequence[Tensor]]


def same(memory: str, file: str) -> Rule:
    """The same tensor under another name."""
    return Rule(memory, (file,), lambda found: found[0], lambda tensor: (tensor,))


def with_leading_axes(memory: str, file: str, count: int) -> Rule:
    """In the file stand `count` axes of length 1 before the others."""

    def write(tensor: Tensor) -> Sequence[Tensor]:
        return (tensor[(None,) * count],)

    return Rule(memory, (file,), lambda found: found[0].reshape(found[0].shape[count:]), write)


def transposed(memory: str, file: str) -> Rule:
    """In the file rows are columns."""
    return Rule(memory, (file,), lambda found: found[0].T, lambda tensor: (tensor.T,))


def repeated(memory: str, files: Sequence[str]) -> Rule:
    """The file holds the same tensor under several names."""

    def read(found: Sequence[Tensor]) -> Tensor:
        for name, tensor in zip(files[1:], found[1:], strict=True):
            # Of bits, not of numbers: what is not a number equals nothing.
            if not torch.equal(tensor.contiguous().view(torch.uint8), found[0].contiguous().view(torch.uint8)):
                raise WeightsError(f"{name} must equal {files[0]} and does not")
        return found[0]

    return Rule(memory, tuple(files), read, lambda tensor: (tensor,) * len(files))


def stacked(
    memory: str, files: Sequence[str], num_rows: Sequence[int], paired: Mapping[str, int] | None = None
) -> Rule:
    """In memory the file's tensors, of `num_rows` rows each, stand one below the other.

    In the file those named in `paired`, with the channels of a head, pair channel i with i + d/2 in rotary positions;
    in memory neighbours are paired. Rows are reordered, which changes nothing in products of queries and keys.
    """
    paired = paired or {}

    def read(found: Sequence[Tensor]) -> Tensor:
        named = zip(files, found, strict=True)
        return torch.cat([pair_neighbours(part, paired[name]) if name in paired else part for name, part in named])

    def write(tensor: Tensor) -> Sequence[Tensor]:
        named = zip(files, torch.split(tensor, list(num_rows)), strict=True)
        return [pair_halves(part, paired[name]) if name in paired else part for name, part in named]

    return Rule(memory, tuple(files), read, write)


def pair_neighbours(weight: Tensor, head_dim: int) -> Tensor:
    """Reorder the rows of every head so that pairs (j, j + d/2) become neighbours (2j, 2j + 1)."""
    return weight.reshape(-1, 2, head_dim // 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def pair_halves(weight: Tensor, head_dim: int) -> Tensor:
    """Undo `pair_neighbours`."""
    return weight.reshape(-1, head_dim // 2, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def within(rules: Iterable[Rule], *, memory: str, file: str) -> list[Rule]:
    """Return the rules of a part of a model: its names begin with `memory` in memory, with `file` in the file."""
    return [
        replace(rule, memory=memory + rule.memory, files=tuple(file + name for name in rule.files)) for rule in rules
    ]


def read_state(rules: Iterable[Rule], read: Callable[[str], Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield name and values of every tensor in memory, made of what `read` returns for the names in a file.

    Raises WeightsError naming a tensor whose values are not finite.
    """
    for rule in rules:
        # Nothing of the rule before is kept here.
        yield rule.memory, rule.read([_finite(name, read(name)) for name in rule.files])


def file_tensors(rules: Iterable[Rule], state: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a file, made of those of `state` as they come; no more than one rule's are in memory."""
    by_memory = {rule.memory: rule for rule in rules}
    for name, tensor in state:
        rule = by_memory[name]
        yield from zip(rule.files, rule.write(tensor), strict=True)


def _finite(name: str, tensor: Tensor) -> Tensor:
    # The least and the largest value are finite if all are: no second tensor of this size.
    if tensor.is_floating_point() and tensor.numel() and not all(end.isfinite() for end in tensor.aminmax()):
        raise WeightsError(f"{name} holds values that are not finite")
    return tensor


def write_tensors(rules: Iterable[Rule], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a file, contiguous and in the order of their names, from the state in memory."""
    tensors = {
        name: tensor.detach().contiguous()
        for rule in rules
        for name, tensor in zip(rule.files, rule.write(state[rule.memory]), strict=True)
    }
    return dict(sorted(tensors.items()))


def file_shapes(rules: Iterable[Rule], like: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor that a file of a state like `like` holds; `like` may be on `meta`."""
    return {name: tuple(tensor.shape) for name, tensor in write_tensors(rules, like).items()}


def check_shapes(
    found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]], *, where: object = None
) -> None:
    """Raise WeightsError naming every tensor of `found` that is missing, too many, or of another shape."""
    problems = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    problems += [f"{name} is not part of this model" for name in sorted(found.keys() - expected.keys())]
    problems += [
        f"{name} has shape {found[name]}, expected {shape}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    if problems:
        more = f" (and {len(problems) - _MOST_NAMED} more)" if len(problems) > _MOST_NAMED else ""
        place = "" if where is None else f"{where}: "
        raise WeightsError(
            place + "; ".join(problems[:_MOST_NAMED]) + more, hint="weights and config.json are of different models"
        )

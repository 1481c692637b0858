"""Recorded outputs of a model, kept beside its weights: what `plm weights verify` recomputes on other hardware.

`expected.safetensors` holds, for cases numbered from 0, `caseK.input_ids` (T,), `caseK.pixels` (N, 3, H, W) normalised
to [-1, 1] where there are any, and what an implementation made of them: `caseK.vision_tokens` (N, tokens, D),
`caseK.logits` (T, vocabulary), `caseK.greedy` (continued tokens). Any of these may be absent. It knows no tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from perceptlm.batch import IGNORED_TARGET, Batch
from perceptlm.errors import DataError
from perceptlm.model.configuration import PLMConfig
from perceptlm.model.generation import Sampling, continue_batch
from perceptlm.model.plm import PerceptionLM

EXPECTED = "expected.safetensors"
INPUTS, OUTPUTS = ("input_ids", "pixels"), ("vision_tokens", "logits", "greedy")


@dataclass(frozen=True)
class RecordedCase:
    """One input and what was made of it, by name (`OUTPUTS`)."""

    name: str
    batch: Batch
    outputs: Mapping[str, Tensor]


@dataclass(frozen=True)
class Comparison:
    """How far an output is from the recorded one: the largest absolute difference or, of tokens, how many differ."""

    case: str
    output: str
    difference: float

    def within(self, atol: float) -> bool:
        """Whether it is as recorded, to `atol`; tokens must be equal. What is not a number never is."""
        return self.difference <= (0 if self.output == "greedy" else atol)


def read_cases(path: Path, config: PLMConfig) -> list[RecordedCase]:
    """Read recorded cases for a model of shape `config`, in the order of their numbers.

    Raises DataError naming the file, and the tensor that is missing, unknown or of the wrong shape.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise DataError(
            "missing", path=path, hint="it holds what an implementation made of recorded inputs; see docs/weights.md"
        ) from error
    except (SafetensorError, OSError) as error:
        raise DataError(f"not a readable safetensors file: {error}", path=path) from error
    by_case: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        parts = re.fullmatch(r"case(\d+)\.(\w+)", name)
        if parts is None or parts[2] not in INPUTS + OUTPUTS:
            raise DataError(f"unknown tensor {name}: expected caseK.{', caseK.'.join(INPUTS + OUTPUTS)}", path=path)
        by_case.setdefault(int(parts[1]), {})[parts[2]] = tensor
    if not by_case:
        raise DataError("holds no case", path=path)
    return [_case(f"case{number}", found, config, path) for number, found in sorted(by_case.items())]


def _case(name: str, found: dict[str, Tensor], config: PLMConfig, path: Path) -> RecordedCase:
    size = config.vision.image_size
    input_ids = found.pop("input_ids", None)
    pixels = found.pop("pixels", torch.zeros(0, 3, size, size))
    if input_ids is None or input_ids.ndim != 1 or input_ids.is_floating_point() or not len(input_ids):
        raise DataError(f"{name}.input_ids must be there, one row of token ids", path=path)
    if pixels.shape[1:] != (3, size, size):
        raise DataError(f"{name}.pixels has shape {tuple(pixels.shape)}, expected (N, 3, {size}, {size})", path=path)
    if not 0 <= int(input_ids.min()) <= int(input_ids.max()) < config.decoder.vocab_size:
        raise DataError(f"{name}.input_ids has tokens outside the vocabulary of {config.decoder.vocab_size}", path=path)
    input_ids = input_ids.long()[None]
    if config.video_token_id is not None:
        # Videos may have a placeholder of their own; vision tokens take its place all the same.
        input_ids = torch.where(input_ids == config.video_token_id, config.image_token_id, input_ids)
    zeros = torch.zeros_like(input_ids)
    batch = Batch(
        input_ids=input_ids,
        targets=zeros + IGNORED_TARGET,
        positions=torch.arange(input_ids.shape[1])[None],
        group=zeros,
        branch=zeros,
        tag=zeros - 1,
        pictures=pixels,
        image_token_id=config.image_token_id,
        tags=(),
        ids=((name,),),
        pictures_per_group=(len(pixels),),
    )
    return RecordedCase(name, batch, {output: found[output] for output in OUTPUTS if output in found})


@torch.no_grad()
def compare(model: PerceptionLM, cases: Sequence[RecordedCase]) -> Iterator[Comparison]:
    """Yield how far `model` is from every recorded output, computed in the precision that it has.

    Raises DataError where an output has another shape than what is recorded.
    """
    model.eval()
    for case in cases:
        batch = case.batch.to(model.device)
        for output, recorded in case.outputs.items():
            if output == "greedy":
                (found,) = continue_batch(model, batch, [Sampling(len(recorded))], stop_ids=())
                equal = sum(a == b for a, b in zip(found.token_ids, recorded.tolist(), strict=False))
                yield Comparison(case.name, output, len(recorded) - equal)
                continue
            made = model(batch)[0] if output == "logits" else model.encode(batch.pictures)
            if made.shape != recorded.shape:
                shapes = f"{tuple(recorded.shape)}, the model makes {tuple(made.shape)}"
                raise DataError(f"{case.name}.{output} has shape {shapes}")
            yield Comparison(case.name, output, float((made.float().cpu() - recorded.float()).abs().max()))

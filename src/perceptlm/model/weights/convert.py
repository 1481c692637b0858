"""A model's directory in one layout -> the same model in another, tensor by tensor, published whole or not at all.

    transformers   config.json, model*.safetensors (with an index where there are several)
    original       params.json, consolidated.pth

Values are moved, never computed with: there and back are the same bytes. Files of tokenizer and processor are copied.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from perceptlm.artifact import translate_os_errors, write_atomic
from perceptlm.errors import ConfigError, UsageError
from perceptlm.log import progress
from perceptlm.model.configuration import PLMConfig
from perceptlm.model.weights import hf_config, original_config
from perceptlm.model.weights.layouts import LAYOUTS, state_on_meta
from perceptlm.model.weights.rules import Rule, check_shapes, file_shapes, read_state
from perceptlm.model.weights.tensor_files import (
    ORIGINAL,
    Held,
    PthReader,
    PthWriter,
    SafetensorsReader,
    SafetensorsWriter,
    TensorReader,
    TensorWriter,
)

_CONFIGS = {"transformers": "config.json", "original": "params.json"}
_FROM_CONFIG: Mapping[str, Callable[..., PLMConfig]] = {
    "transformers": hf_config.from_json,
    "original": original_config.from_params,
}
_TO_CONFIG: Mapping[str, Callable[[PLMConfig], dict[str, Any]]] = {
    "transformers": hf_config.to_json,
    "original": original_config.to_params,
}
_COPIED = (
    "tokenizer*",
    "special_tokens_map.json",
    "chat_template*",
    "*processor_config.json",
    "perceptlm.json",
    "generation_config.json",
)


@dataclass(frozen=True)
class Conversion:
    """What would be converted: from where and which layout to which, and every tensor that would be written."""

    source: Path
    layout: str
    wanted_layout: str
    config: PLMConfig
    reader: TensorReader
    written: tuple[Held, ...]

    @property
    def num_bytes(self) -> int:
        """Bytes of all tensors that would be written."""
        return sum(held.num_bytes for held in self.written if held.same_as is None)

    @property
    def largest(self) -> Held:
        """The largest tensor, of which two copies must fit into memory."""
        return max(self.written, key=lambda held: held.num_bytes)


def layout_of(directory: Path) -> str:
    """Return the layout a model directory is in, by its configuration's file; ConfigError where there is none."""
    for layout, name in _CONFIGS.items():
        if (directory / name).is_file():
            return layout
    raise ConfigError(
        f"{directory}: there is neither {' nor '.join(_CONFIGS.values())}", hint="give the directory of a model"
    )


def plan(source: Path, to: str) -> Conversion:
    """Read what `source` holds, without values; raise ConfigError or WeightsError naming what does not fit."""
    if to not in LAYOUTS:
        raise UsageError(f"there is no layout '{to}'; there are: {', '.join(LAYOUTS)}")
    layout = layout_of(source)
    path = source / _CONFIGS[layout]
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, found {type(values).__name__}")
    config = _FROM_CONFIG[layout](values, source=str(path))
    reader: TensorReader = SafetensorsReader(source) if layout == "transformers" else PthReader(source / ORIGINAL)
    like = state_on_meta(config)
    rules = LAYOUTS[layout](config)
    check_shapes({name: held.shape for name, held in reader.held.items()}, file_shapes(rules, like), where=source)
    return Conversion(source, layout, to, config, reader, tuple(_written(rules, LAYOUTS[to](config), like, reader)))


def convert(conversion: Conversion, out: Path) -> None:
    """Write the converted model as the directory `out`, which must not be there or be empty."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already", hint="name a directory that is not there, or remove it")
    unfinished = out.with_name(f".{out.name}.unfinished")
    wanted, config = conversion.wanted_layout, conversion.config
    with translate_os_errors(out):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        writer: TensorWriter = (
            SafetensorsWriter(unfinished, conversion.written)
            if wanted == "transformers"
            else PthWriter(unfinished / ORIGINAL, conversion.written)
        )
        with progress("status") as bar:
            task = bar.add_task("tensors", total=len(conversion.written), status="")
            for name, tensor in _tensors(conversion):
                writer.write(name, tensor)
                bar.update(task, advance=1, status=name)
        writer.finish()
        values = _TO_CONFIG[wanted](config)
        if wanted == "transformers":
            values["dtype"] = str(conversion.largest.dtype).removeprefix("torch.")
        text = json.dumps(values, indent=2, sort_keys=True) + "\n"
        write_atomic(unfinished / _CONFIGS[wanted], text.encode())
        for pattern in _COPIED:
            for file in sorted(conversion.source.glob(pattern)):
                shutil.copyfile(file, unfinished / file.name)
        if out.exists():
            out.rmdir()
        os.rename(unfinished, out)


def _written(
    rules: Iterable[Rule], wanted: Iterable[Rule], like: Mapping[str, Tensor], reader: TensorReader
) -> Iterator[Held]:
    """Yield the tensors of the wanted layout, each of the type that its values have in the file that is read."""
    dtypes = {rule.memory: reader.held[rule.files[0]].dtype for rule in rules}
    for rule in wanted:
        tensors = rule.write(like[rule.memory])
        for name, tensor in zip(rule.files, tensors, strict=True):
            first = next(i for i, other in enumerate(tensors) if other is tensor)
            same_as = None if rule.files[first] == name else rule.files[first]
            yield Held(name, tuple(tensor.shape), dtypes[rule.memory], same_as)


@torch.no_grad()
def _tensors(conversion: Conversion) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the wanted layout; no more than one rule's are in memory."""
    wanted = {rule.memory: rule for rule in LAYOUTS[conversion.wanted_layout](conversion.config)}
    for name, tensor in read_state(LAYOUTS[conversion.layout](conversion.config), conversion.reader.read):
        yield from zip(wanted[name].files, wanted[name].write(tensor), strict=True)

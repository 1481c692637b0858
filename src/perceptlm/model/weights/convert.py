"""A model's files in one layout -> the same model in another, tensor by tensor, published whole or not at all.

    transformers   a directory with config.json and model*.safetensors (with an index where there are several)
    original       a directory with params.json and consolidated.pth
    gguf           a file of a Llama alone, read only: it becomes the directory of a Llama that `transformers` loads

Between the first two values are moved, never computed with: there and back are the same bytes. Files of tokenizer and
processor are copied.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from perceptlm.artifact import translate_os_errors, write_atomic
from perceptlm.config import read_json_object
from perceptlm.errors import ConfigError, UsageError
from perceptlm.log import progress
from perceptlm.model.configuration import PLMConfig
from perceptlm.model.decoder import Decoder
from perceptlm.model.weights import decoder_layouts, hf_config, original_config
from perceptlm.model.weights.gguf_files import GgufReader
from perceptlm.model.weights.gguf_tokenizer import tokenizer_files
from perceptlm.model.weights.layouts import LAYOUTS, state_on_meta
from perceptlm.model.weights.rules import Rule, check_shapes, file_shapes, file_tensors, read_state
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

GGUF = "gguf"
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
    """What would be converted: from where, by which rules, and all that would be written."""

    source: Path
    layout: str
    wanted_layout: str
    reader: TensorReader
    rules: list[Rule]
    wanted_rules: list[Rule]
    config: dict[str, Any]
    """What the configuration's file would hold."""
    written: tuple[Held, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    """Texts of further files, by name."""
    model: PLMConfig | None = None
    """The shape of the model; None of a Llama alone."""
    add_files: Callable[[Path], None] | None = None
    """Puts more into the directory, beside the files of tokenizer and processor that are copied."""

    @property
    def num_bytes(self) -> int:
        """Bytes of all tensors that would be written."""
        return sum(held.num_bytes for held in self.written if held.same_as is None)

    @property
    def largest(self) -> Held:
        """The largest tensor, of which two copies must fit into memory."""
        return max(self.written, key=lambda held: held.num_bytes)


def layout_of(source: Path) -> str:
    """Return the layout a model is in, by the file that tells its shape; ConfigError where there is none."""
    if source.suffix == ".gguf":
        return GGUF
    for layout, name in _CONFIGS.items():
        if (source / name).is_file():
            return layout
    raise ConfigError(
        f"{source}: there is neither {' nor '.join(_CONFIGS.values())}",
        hint="give the directory of a model, or a .gguf file",
    )


def plan(source: Path, to: str, *, gguf_dtype: torch.dtype = torch.float32) -> Conversion:
    """Read what `source` holds, without values; raise ConfigError or WeightsError naming what does not fit.

    What is quantised in a GGUF file is written as `gguf_dtype`.
    """
    if to not in LAYOUTS:
        raise UsageError(f"there is no layout '{to}'; there are: {', '.join(LAYOUTS)}")
    layout = layout_of(source)
    if layout == GGUF:
        return _plan_gguf(source, to, gguf_dtype)
    path = source / _CONFIGS[layout]
    values = read_json_object(path)
    config = _FROM_CONFIG[layout](values, source=str(path))
    reader: TensorReader = SafetensorsReader(source) if layout == "transformers" else PthReader(source / ORIGINAL)
    rules, wanted = LAYOUTS[layout](config), LAYOUTS[to](config)
    written = _written(source, reader, rules, wanted, state_on_meta(config))
    return Conversion(source, layout, to, reader, rules, wanted, _TO_CONFIG[to](config), written, model=config)


def _plan_gguf(source: Path, to: str, dtype: torch.dtype) -> Conversion:
    if to != "transformers":
        raise UsageError(f"{source}: a GGUF file is converted to transformers only")
    reader = GgufReader(source, dtype)
    config = reader.config()
    with torch.device("meta"):
        like = Decoder(config).state_dict()
    rules, wanted = decoder_layouts.gguf_layout(config), decoder_layouts.transformers_layout(config)
    files = tokenizer_files(reader.metadata(), source=source)
    written = _written(source, reader, rules, wanted, like)
    return Conversion(source, GGUF, to, reader, rules, wanted, hf_config.decoder_to_json(config), written, files=files)


def convert(conversion: Conversion, out: Path) -> None:
    """Write the converted model as the directory `out`, which must not be there or be empty."""
    source, wanted = conversion.source, conversion.wanted_layout

    def copy_files(directory: Path) -> None:
        for pattern in _COPIED if source.is_dir() else ():
            for file in sorted(source.glob(pattern)):
                shutil.copyfile(file, directory / file.name)
        if conversion.add_files is not None:
            conversion.add_files(directory)

    write_model(
        out,
        wanted,
        conversion.written,
        _tensors(conversion),
        config=conversion.config,
        files=conversion.files,
        add_files=copy_files,
    )


def write_model(
    out: Path,
    layout: str,
    held: Sequence[Held],
    tensors: Iterable[tuple[str, Tensor]],
    *,
    config: dict[str, Any],
    files: Mapping[str, str],
    add_files: Callable[[Path], None],
) -> None:
    """Write a model's directory from its tensors, one by one, in any order; whole or not at all.

    `held` announces the tensors, and `transformers` is told the type of the largest; `files` are further texts by name,
    and `add_files` may put more into the directory. Raises UsageError if `out` is there and not empty.
    """
    out = out.resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already", hint="name a directory that is not there, or remove it")
    unfinished = out.with_name(f".{out.name}.unfinished")
    with translate_os_errors(out):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        writer: TensorWriter = (
            SafetensorsWriter(unfinished, held) if layout == "transformers" else PthWriter(unfinished / ORIGINAL, held)
        )
        with progress("status") as bar:
            task = bar.add_task("tensors", total=len(held), status="")
            for name, tensor in tensors:
                writer.write(name, tensor)
                bar.update(task, advance=1, status=name)
        writer.finish()
        if layout == "transformers":
            largest = max(held, key=lambda tensor: tensor.num_bytes)
            config = config | {"dtype": str(largest.dtype).removeprefix("torch.")}
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        for name, content in {_CONFIGS[layout]: text, **files}.items():
            write_atomic(unfinished / name, content.encode())
        add_files(unfinished)
        if out.exists():
            out.rmdir()
        os.rename(unfinished, out)


def _written(
    source: Path, reader: TensorReader, rules: list[Rule], wanted: list[Rule], like: Mapping[str, Tensor]
) -> tuple[Held, ...]:
    """Return the tensors of the wanted layout, each of the type that its values have in what is read.

    Raises WeightsError naming every tensor of `source` that is missing, too many, or of another shape than in `like`.
    """
    check_shapes({name: held.shape for name, held in reader.held.items()}, file_shapes(rules, like), where=source)
    dtypes = {rule.memory: reader.held[rule.files[0]].dtype for rule in rules}
    found = []
    for rule in wanted:
        tensors = rule.write(like[rule.memory])
        for name, tensor in zip(rule.files, tensors, strict=True):
            first = next(i for i, other in enumerate(tensors) if other is tensor)
            same_as = None if rule.files[first] == name else rule.files[first]
            found.append(Held(name, tuple(tensor.shape), dtypes[rule.memory], same_as))
    return tuple(found)


@torch.no_grad()
def _tensors(conversion: Conversion) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the wanted layout, one rule's at a time."""
    yield from file_tensors(conversion.wanted_rules, read_state(conversion.rules, conversion.reader.read))

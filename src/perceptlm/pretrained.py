"""One directory = one model: `load` and `save_pretrained` join weights, configuration, processor and tokenizer.

The layout is the one `transformers` writes for PerceptionLM. Only safetensors are read. It knows nothing of
training, evaluation or how many requests are answered at once (`inference`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from perceptlm import artifact
from perceptlm.clients.protocol import GenerationRequest, MediaInput
from perceptlm.config import read_json_object
from perceptlm.errors import ConfigError, DataError, UsageError, WeightsError
from perceptlm.exchange.hub import model_directory
from perceptlm.media.inputs import ImageSource, VideoSource, image_input, video_input
from perceptlm.model.configuration import PLMConfig
from perceptlm.model.generation import Sampling, continue_batch
from perceptlm.model.low_rank import merged_state
from perceptlm.model.plm import PerceptionLM
from perceptlm.model.weights import hf_config
from perceptlm.model.weights.adapter_files import read_adapter, with_adapter
from perceptlm.model.weights.convert import Conversion, plan
from perceptlm.model.weights.digest import digest_of_weights
from perceptlm.model.weights.layouts import transformers_layout
from perceptlm.model.weights.rules import check_shapes, file_shapes, read_state, write_tensors
from perceptlm.model.weights.tensor_files import SafetensorsReader
from perceptlm.preprocess.original_processor import TOKENIZER_MODEL, read_original_processor
from perceptlm.preprocess.processor import Processor
from perceptlm.preprocess.processor_files import TOKENIZER_FILE
from perceptlm.schema import Region, Turn
from perceptlm.schema.placeholders import box_placeholder, resolve_boxes
from perceptlm.schema.regions import box_texts

Prompt = str | Sequence[Turn]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_CONFIG, _GENERATION, _WEIGHTS = "config.json", "generation_config.json", "model.safetensors"


@dataclass
class LoadedModel:
    """A model and the processor that feeds it. `directory` is where they came from, if anywhere."""

    model: PerceptionLM
    processor: Processor
    directory: Path | None = None

    def request(
        self,
        prompt: Prompt,
        *,
        images: Sequence[ImageSource] = (),
        videos: Sequence[VideoSource] = (),
        num_frames: int | None = None,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        seed: int = 0,
        regions: Sequence[Region] = (),
        id: str = "prompt",
    ) -> GenerationRequest:
        """Read and sample the media and return the request that asks `prompt` about them.

        `regions` (of one image or video, which must be all the media) are shown as they say, and `<|bbox0|>` in the
        prompt stands for the first one's box in text. Raises MediaError for files that cannot be read, DataError for
        regions that are not of this picture.
        """
        config = self.processor.config
        if regions and len(images) + len(videos) != 1:
            raise DataError(f"regions need exactly one image or video, found {len(images) + len(videos)}")
        media = [image_input(image, regions) for image in images]
        wanted = num_frames or config.num_frames
        media += [video_input(video, wanted, config.frame_choice, regions) for video in videos]
        turns = (Turn(role="user", text=prompt),) if isinstance(prompt, str) else tuple(prompt)
        if regions:
            turns = _with_box_texts(turns, regions, media[0])
        return GenerationRequest(id, turns, tuple(media), max_new_tokens, temperature, seed)

    def generate(
        self,
        prompt: Prompt,
        *,
        images: Sequence[ImageSource] = (),
        videos: Sequence[VideoSource] = (),
        num_frames: int | None = None,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        seed: int = 0,
        regions: Sequence[Region] = (),
    ) -> str:
        """Return the model's answer to one question or conversation about images or videos.

        Images are paths or (H, W, 3) uint8 RGB; videos are paths or frames, of which `num_frames` are shown (the
        processor's number unless given). `regions` and errors are those of `request`.
        """
        request = self.request(prompt, images=images, videos=videos, num_frames=num_frames, regions=regions)
        batch = self.processor.collate([self.processor.prompt(request)]).to(self.model.device)
        sampling = Sampling(max_new_tokens, temperature, seed, request.id)
        was_training = self.model.training
        self.model.eval()
        (continuation,) = continue_batch(self.model, batch, [sampling], self.processor.stop_token_ids)
        self.model.train(was_training)
        return self.processor.decode(continuation.token_ids)

    @torch.no_grad()
    def logits(
        self,
        prompt: Prompt,
        *,
        images: Sequence[ImageSource] = (),
        videos: Sequence[VideoSource] = (),
        regions: Sequence[Region] = (),
    ) -> Tensor:
        """Return logits (T, vocabulary) of the prompt's tokens, vision tokens included."""
        example = self.processor.prompt(self.request(prompt, images=images, videos=videos, regions=regions))
        was_training = self.model.training
        self.model.eval()
        logits: Tensor = self.model(self.processor.collate([example]).to(self.model.device))[0]
        self.model.train(was_training)
        return logits

    def save(self, path: Path | str) -> None:
        """Write the directory that `load` reads."""
        save_pretrained(Path(path), self.model, self.processor)

    def revision(self) -> str:
        """Return a digest that names these weights: of the artifact they came from, else of their values."""
        if self.directory is not None and (self.directory / artifact.MANIFEST).is_file():
            return artifact.read_manifest(self.directory).digest
        return digest_of_weights(self.model, about=self.model.config.content_digest())


def _with_box_texts(turns: tuple[Turn, ...], regions: Sequence[Region], media: MediaInput) -> tuple[Turn, ...]:
    """Return the turns, boxes in the user's as text; DataError for a region that is shown as text, but nowhere said."""
    height, width = media.pictures[0].shape[:2]
    boxes = box_texts(regions, width, height) if media.kind == "image" else (None,) * len(regions)
    said = "".join(turn.text for turn in turns if turn.role == "user")
    for number, region in enumerate(regions):
        if region.shown_as == "text" and box_placeholder(number) not in said:
            raise DataError(
                f"region {number} is shown as text, but no question says where it is",
                hint=f"write {box_placeholder(number)} where its box is to stand",
            )
    return tuple(
        turn.model_copy(update={"text": resolve_boxes(turn.text, boxes)}) if turn.role == "user" else turn
        for turn in turns
    )


def load(
    path_or_hub_id: Path | str,
    *,
    device: str = "cpu",
    dtype: Literal["float32", "bfloat16"] = "float32",
    adapter: Path | None = None,
) -> LoadedModel:
    """Load a model for inference (`model.eval()`): a directory, or a repository OWNER/NAME of the Hugging Face hub.

    What an `adapter` (a directory as PEFT writes it) has learnt is added to the weights. Raises ClientError for a
    repository that cannot be fetched, ConfigError for a wrong key of `config.json` or a
    processor that does not fit the model, and WeightsError naming each tensor that is missing, extra, of the wrong
    shape or not finite.
    """
    if dtype not in DTYPES:
        raise UsageError(f"dtype '{dtype}' is not one of {', '.join(DTYPES)}")
    directory = model_directory(path_or_hub_id)
    config = read_config(directory)
    model = load_model(directory, config, device=device, dtype=DTYPES[dtype], adapter=adapter)
    processor = Processor.load(directory)
    check_fit(config, processor)
    return LoadedModel(model.eval(), processor, directory if adapter is None else None)


def read_config(directory: Path) -> PLMConfig:
    """Read `config.json`; ConfigError names the file and the key."""
    path = directory / _CONFIG
    if not directory.is_dir():
        raise ConfigError(f"{directory}: there is no such model directory")
    if not path.is_file():
        raise ConfigError(f"{path}: missing", hint="a model directory holds config.json and model.safetensors")
    return hf_config.from_json(read_json_object(path), source=str(path))


def load_model(
    directory: Path, config: PLMConfig, *, device: str, dtype: torch.dtype, adapter: Path | None = None
) -> PerceptionLM:
    """Build a PerceptionLM of shape `config` with the weights of `directory`, in training mode.

    Raises what `read_weights` raises.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either, by what is missing
        raise UsageError(f"device '{device}' cannot be used here: {str(error).splitlines()[0]}") from error
    with torch.device("meta"):
        model = PerceptionLM(config)
    read = read_weights(directory, config, adapter=adapter)
    state = {name: tensor.to(device=device, dtype=dtype).contiguous() for name, tensor in read}
    model.load_state_dict(state, assign=True)
    return model


def read_weights(directory: Path, config: PLMConfig, *, adapter: Path | None = None) -> Iterator[tuple[str, Tensor]]:
    """Yield name and values of every tensor of a model of shape `config`, as it is in memory; one by one.

    Raises WeightsError naming those that are missing, extra or of the wrong shape, or one that is not finite.
    """
    reader, rules = SafetensorsReader(directory), transformers_layout(config)
    with torch.device("meta"):
        expected = PerceptionLM(config).state_dict()
    shapes = {name: held.shape for name, held in reader.held.items()}
    check_shapes(shapes, file_shapes(rules, expected), where=directory)
    pairs = {} if adapter is None else read_adapter(adapter, shapes)
    try:
        yield from read_state(rules, lambda name: with_adapter(reader.read(name), pairs.get(name)))
    except WeightsError as error:
        raise WeightsError(f"{directory}: {error.message}", hint=error.hint) from error


def plan_conversion(source: Path, to: str, *, gguf_dtype: torch.dtype = torch.float32) -> Conversion:
    """Plan a conversion with all that makes its result loadable.

    Where an original has its own `tokenizer.model` alone, tokenizer and processor are written too, so that neither
    `transformers` nor `load` needs anything else. Raises what `plan` raises, and ConfigError or DataError naming what
    of that file is wrong, or does not fit the model.
    """
    planned = plan(source, to, gguf_dtype=gguf_dtype)
    config = planned.model
    own = (source / TOKENIZER_MODEL).is_file() and not (source / TOKENIZER_FILE).is_file()
    if planned.layout != "original" or not own or config is None:
        return planned
    processor = read_original_processor(source, config.layout)
    check_fit(config, processor)
    return replace(planned, add_files=lambda directory: write_processor(directory, processor))


def write_processor(directory: Path, processor: Processor) -> None:
    """Write a processor, and where answers stop, into an existing `directory`."""
    generation = {"do_sample": False, "eos_token_id": list(processor.stop_token_ids)}
    artifact.write_atomic(directory / _GENERATION, _json_bytes(generation))
    processor.save(directory)


def check_fit(config: PLMConfig, processor: Processor) -> None:
    """Raise ConfigError when processor and model disagree on pictures or placeholders."""
    for what, ours, theirs in (
        ("picture layout", config.layout, processor.config.layout),
        ("image_token_id", config.image_token_id, processor.image_token_id),
    ):
        if ours != theirs:
            raise ConfigError(f"model and processor disagree on the {what}: {ours} and {theirs}")
    if processor.vocab_size > config.decoder.vocab_size:
        raise ConfigError(
            f"the tokenizer has {processor.vocab_size} tokens, the model only {config.decoder.vocab_size}"
        )


def save_pretrained(directory: Path, model: PerceptionLM, processor: Processor) -> None:
    """Write model and processor into `directory`, in the layout `transformers` loads; same state, same bytes.

    What low-rank matrices have learnt is in the weights that are written.
    """
    from safetensors.torch import save

    check_fit(model.config, processor)
    with artifact.translate_os_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        state = {name: tensor.cpu() for name, tensor in merged_state(model).items()}
        tensors = write_tensors(transformers_layout(model.config), state)
        values = hf_config.to_json(model.config)
        values["dtype"] = str(model.decoder.embedding.dtype).removeprefix("torch.")
        artifact.write_atomic(directory / _CONFIG, _json_bytes(values))
        artifact.write_atomic(directory / _WEIGHTS, save(tensors, metadata={"format": "pt"}))
        write_processor(directory, processor)


def _json_bytes(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, sort_keys=True) + "\n").encode()

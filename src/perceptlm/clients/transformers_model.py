"""TransformersClient: any image or video model that `transformers` loads, asked through its own processor.

The processor's chat template puts the conversation into words, its image and video processors the pictures into
numbers; one request at a time, greedily unless asked otherwise. A video goes to the model's own video input where it
has one, else as its frames, one image each. `transformers` and torch are loaded when a model is.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from perceptlm.clients.openai_messages import conversation
from perceptlm.clients.protocol import GenerationRequest, GenerationResult, K, MediaInput, ModelIdentity, Picture
from perceptlm.config import digest_of, file_digest
from perceptlm.errors import ConfigError, UsageError

VideoInput = Literal["video", "frames"]
_IDENTIFYING = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")


class TransformersClient:
    """Answers requests with a model and processor of `transformers`.

    `videos` says how a video is shown; None: as the processor can. Frames of a video are numbered 0, 1, 2 ... and
    stand one second apart, because that is how questions count them and no request says more. One request is answered
    at a time, so that no answer depends on what else is asked.
    """

    def __init__(
        self, model: Any, processor: Any, identity: ModelIdentity, *, videos: VideoInput | None = None
    ) -> None:
        self._model = model
        self._processor = processor
        self._identity = identity
        self._videos: VideoInput = videos or _video_input(processor)

    @classmethod
    def load(
        cls,
        name: str,
        *,
        videos: VideoInput | None = None,
        device: str | None = None,
        dtype: str = "auto",
        licence: str = "NOASSERTION",
    ) -> TransformersClient:
        """Load a directory, or a model by its name on the hub, onto `device` (the GPU if there is one).

        Raises UsageError where `transformers` is not installed, ConfigError for what it cannot load.
        """
        try:
            import torch

            transformers: Any = importlib.import_module("transformers")
        except ImportError as error:
            raise UsageError(f"the backend needs transformers: {error}", hint="pip install transformers") from error
        try:
            processor = transformers.AutoProcessor.from_pretrained(name)
            model = transformers.AutoModelForImageTextToText.from_pretrained(name, dtype=dtype)
        except (OSError, ValueError, ImportError) as error:
            raise ConfigError(f"transformers cannot load '{name}': {error}") from error
        if getattr(processor, "chat_template", None) is None:
            raise ConfigError(f"'{name}' has no chat template", hint="only models for conversations can be asked")
        target = device or ("cuda" if torch.cuda.is_available() else "cpu")
        identity = ModelIdentity(
            name=Path(name).name if Path(name).is_dir() else name,
            revision=_revision(name, model.config),
            licence=licence,
            backend="transformers",
        )
        return cls(model.to(target).eval(), processor, identity, videos=videos)

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is: the commit on the hub, or the digest of the directory's files."""
        return self._identity

    def generate(self, requests: Sequence[GenerationRequest]) -> Iterator[GenerationResult]:
        """Yield one result per request, in order."""
        for request in requests:
            yield self._answer(request)

    def answer_each(self, asked: Iterable[tuple[K, GenerationRequest]]) -> Iterator[tuple[K, GenerationResult]]:
        """Yield each result with the key of its request, in order."""
        for key, request in asked:
            yield key, self._answer(request)

    def _answer(self, request: GenerationRequest) -> GenerationResult:
        import torch

        try:
            inputs = self._inputs(request).to(self._model.device, dtype=self._model.dtype)
        except (ValueError, TypeError, IndexError) as error:  # what processors raise for what they cannot take
            return GenerationResult(request.id, "", "error", error=f"the processor refuses it: {error}")
        sampled = request.temperature > 0
        if sampled:
            torch.manual_seed(request.seed)
        with torch.inference_mode():
            ids = self._model.generate(
                **inputs,
                max_new_tokens=request.max_new_tokens,
                do_sample=sampled,
                temperature=request.temperature if sampled else None,
                top_p=None,
                top_k=None,
            )
        num_prompt = inputs["input_ids"].shape[1]
        new = ids[0, num_prompt:].tolist()
        ended = bool(new) and new[-1] in _stop_ids(self._model.generation_config)
        return GenerationResult(
            id=request.id,
            text=self._processor.decode(new, skip_special_tokens=True),
            finish_reason="length" if len(new) >= request.max_new_tokens and not ended else "stop",
            num_prompt_tokens=num_prompt,
            num_new_tokens=len(new),
        )

    def _inputs(self, request: GenerationRequest) -> Any:
        """Return the processor's tensors for a request."""
        parts: list[dict[str, Any]] = []
        images: list[Picture] = []
        videos: list[MediaInput] = []
        for item in request.media:
            if item.kind == "video" and self._videos == "video":
                parts.append({"type": "video"})
                videos.append(item)
            else:
                parts += [{"type": "image"} for _ in item.pictures]
                images += item.pictures
        messages = [
            turn
            if isinstance(turn["content"], list)
            else turn | {"content": [{"type": "text", "text": turn["content"]}]}
            for turn in conversation(request, parts)
        ]
        text = self._processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        options: dict[str, Any] = {"text": [text], "return_tensors": "pt"}
        if images:
            options["images"] = _pil(images)
        if videos:
            options["videos"] = [_pil(item.pictures) for item in videos]
            options["videos_kwargs"] = {
                "do_sample_frames": False,
                "video_metadata": [_metadata(item) for item in videos],
            }
        return self._processor(**options)


def _pil(pictures: Iterable[Any]) -> list[Any]:
    from PIL import Image

    return [Image.fromarray(picture) for picture in pictures]


def _metadata(item: MediaInput) -> dict[str, Any]:
    number = len(item.pictures)
    return {
        "total_num_frames": number,
        "fps": 1.0,
        "duration": float(number),
        "frames_indices": list(range(number)),
        "height": item.pictures[0].shape[0],
        "width": item.pictures[0].shape[1],
    }


def _video_input(processor: Any) -> VideoInput:
    template = str(getattr(processor, "chat_template", ""))
    return "video" if getattr(processor, "video_processor", None) is not None and "video" in template else "frames"


def _stop_ids(generation_config: Any) -> Sequence[int]:
    found = generation_config.eos_token_id
    return [found] if isinstance(found, int) else list(found or ())


def _revision(name: str, config: Any) -> str:
    if not Path(name).is_dir():
        return str(getattr(config, "_commit_hash", None) or "unknown")
    digests = {}
    for path in sorted(Path(name).iterdir()):
        if path.suffix in _IDENTIFYING:
            digests[path.name] = file_digest(path)
    return digest_of(digests)

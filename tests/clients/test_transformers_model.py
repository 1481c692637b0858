"""Models of `transformers`, saved to disk and asked through their own processors: our PerceptionLM, and Qwen2-VL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import transformers
from tiny_plm import save_tiny_plm
from tiny_qwen import save_tiny_qwen

from perceptlm import pretrained
from perceptlm.clients import GenerationRequest, MediaInput, answers_alone
from perceptlm.clients.transformers_model import TransformersClient
from perceptlm.errors import ConfigError
from perceptlm.inference.client import LocalClient
from perceptlm.schema import Turn


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_plm(tmp_path_factory.mktemp("ours") / "model", max_tiles=1)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_qwen(tmp_path_factory.mktemp("qwen") / "tiny-qwen")


def pictures(number: int, seed: int = 0) -> tuple[Any, ...]:
    return tuple(np.random.default_rng(seed).integers(0, 256, (number, 56, 56, 3), dtype=np.uint8))


def request(text: str, *media: MediaInput, **more: Any) -> GenerationRequest:
    return GenerationRequest(text, (Turn(role="user", text=text),), media, **{"max_new_tokens": 5, **more})


QUESTION = "What does the red circle do?"
REQUESTS = (
    request(QUESTION, MediaInput("image", pictures(1))),
    request(QUESTION, MediaInput("video", pictures(4))),
    request(QUESTION),
)


@pytest.mark.parametrize("asked", REQUESTS, ids=["image", "video", "text"])
def test_our_checkpoint_answers_as_it_does_here(ours: Path, asked: GenerationRequest) -> None:
    client = TransformersClient.load(str(ours), dtype="float32", device="cpu")
    (theirs,) = client.generate([asked])
    (here,) = LocalClient(pretrained.load(ours)).generate([asked])
    assert (theirs.text, theirs.finish_reason, theirs.error) == (here.text, here.finish_reason, None)
    assert (theirs.num_prompt_tokens, theirs.num_new_tokens) == (here.num_prompt_tokens, here.num_new_tokens)


@pytest.mark.parametrize("videos", ["video", "frames"])
def test_another_model_is_shown_a_video_either_way(qwen: Path, videos: Any) -> None:
    client = TransformersClient.load(str(qwen), videos=videos, device="cpu")
    client._model.generation_config.eos_token_id = None  # random weights may say at once that they are done
    first, second = (request(QUESTION, MediaInput("video", pictures(4, seed))) for seed in (0, 1))
    (one,) = client.generate([first])
    assert one.error is None
    assert one.num_new_tokens == 5
    assert one.finish_reason == "length"
    assert one.text == next(iter(client.generate([first]))).text
    # Two frames of a video share their tokens, those of single images do not.
    (text,) = client.generate([request(QUESTION)])
    shown = one.num_prompt_tokens - text.num_prompt_tokens
    assert shown == (2 + 2 * 4 if videos == "video" else 4 * (2 + 4))
    inputs = [client._inputs(asked) for asked in (first, second)]
    name = "pixel_values_videos" if videos == "video" else "pixel_values"
    assert not np.array_equal(inputs[0][name], inputs[1][name])


def test_a_model_of_transformers_takes_a_video_if_its_template_does(qwen: Path) -> None:
    loaded = TransformersClient.load(str(qwen), device="cpu")
    assert loaded._videos == "video"
    assert answers_alone(loaded)
    keyed = list(loaded.answer_each([(7, REQUESTS[0]), (8, REQUESTS[2])]))
    assert [(key, result.id) for key, result in keyed] == [(7, QUESTION), (8, QUESTION)]


def test_an_answer_that_ends_is_told_from_one_cut(qwen: Path) -> None:
    client = TransformersClient.load(str(qwen), device="cpu")
    client._model.generation_config.eos_token_id = list(range(client._model.config.text_config.vocab_size))
    (result,) = client.generate([request(QUESTION)])
    assert (result.num_new_tokens, result.finish_reason) == (1, "stop")


def test_the_identity_is_that_of_the_files(qwen: Path, tmp_path: Path) -> None:
    first = TransformersClient.load(str(qwen), device="cpu").identity
    assert (first.name, first.backend) == ("tiny-qwen", "transformers")
    assert TransformersClient.load(str(qwen), device="cpu").identity == first
    model = transformers.AutoModelForImageTextToText.from_pretrained(qwen)
    model.lm_head.weight.data += 1
    model.save_pretrained(tmp_path / "tiny-qwen")
    for path in qwen.iterdir():
        if not (tmp_path / "tiny-qwen" / path.name).exists():
            (tmp_path / "tiny-qwen" / path.name).write_bytes(path.read_bytes())
    other = TransformersClient.load(str(tmp_path / "tiny-qwen"), device="cpu").identity
    assert other.name == first.name
    assert other.revision != first.revision


def test_what_cannot_be_asked_is_refused(qwen: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="transformers cannot load"):
        TransformersClient.load(str(tmp_path / "empty"))
    mute = tmp_path / "mute"
    mute.mkdir()
    for path in qwen.iterdir():
        if path.name != "chat_template.jinja":
            (mute / path.name).write_bytes(path.read_bytes())
    settings = json.loads((mute / "processor_config.json").read_text())
    settings.pop("chat_template", None)
    (mute / "processor_config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="no chat template"):
        TransformersClient.load(str(mute))


def test_what_the_processor_refuses_is_an_error_not_an_answer(qwen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = TransformersClient.load(str(qwen), device="cpu")
    flat = MediaInput("image", (np.zeros((1, 400, 3), np.uint8),))
    (result,) = client.generate([request(QUESTION, flat)])
    assert (result.text, result.finish_reason) == ("", "error")
    assert "the processor refuses it" in str(result.error)

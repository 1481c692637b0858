"""The processor beside that of `transformers`, loaded from the directory we save: the same tokens, the same pixels."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle import transformers
from PIL import Image

from perceptlm.batch import VisionLayout
from perceptlm.clients.protocol import GenerationRequest, MediaInput
from perceptlm.errors import PerceptLMError
from perceptlm.preprocess.chat_format import IMAGE, VIDEO
from perceptlm.preprocess.processor import Processor, ProcessorConfig
from perceptlm.preprocess.tokenizer import train_tokenizer
from perceptlm.schema import Turn

LAYOUT = VisionLayout(tile_size=56, patch_size=14, pooling_ratio=2)
SIZES = [(56, 56), (300, 300), (640, 427), (427, 640), (1280, 427), (500, 2000), (31, 17), (1, 20)]
CONVERSATIONS = {
    "a question": [("user", "What does the red circle do?")],
    "a system text": [("system", " Be brief. "), ("user", "  What is it?\n")],
    "several turns": [("user", "What is it?"), ("assistant", "A circle."), ("user", "It stops?")],
}


def processor(backend) -> Processor:
    tokenizer = train_tokenizer(["What does the red circle do? It stops. A circle. Be brief."] * 9, 320)
    settings = ProcessorConfig(layout=LAYOUT, num_frames=4, max_tiles=9, max_tokens=4000, resize_backend=backend)
    return Processor(settings, tokenizer)


@pytest.fixture(scope="module", params=["tensor", "pil"])
def pair(request, tmp_path_factory):
    """Ours, and theirs from the files that ours writes."""
    ours, directory = processor(request.param), tmp_path_factory.mktemp("processor")
    ours.save(directory)
    return ours, transformers.AutoProcessor.from_pretrained(directory)


def picture(width, height, seed=0):
    """A smooth picture with noise on it, so that a shift and a blur would both tell."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(across / 9 + down / k) for k in (5, 11, 23)], axis=-1)
    return np.clip(127 + 90 * waves + random.normal(0, 25, waves.shape), 0, 255).astype(np.uint8)


def ask(ours, turns, media):
    request = GenerationRequest("a", tuple(Turn(role=role, text=text) for role, text in turns), tuple(media), 8, 0.0, 0)
    batch = ours.collate([ours.prompt(request)])
    return batch.input_ids[0].tolist(), batch.pictures


def messages(turns, kinds):
    """Their form of a conversation; media belong to the first question."""
    said = [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns]
    first = next(message for message in said if message["role"] == "user")
    first["content"][:0] = [{"type": kind} for kind in kinds]
    if said[0]["role"] == "system":
        said[0]["content"] = said[0]["content"][0]["text"]
    return said


def check_pixels(ours, found, wanted):
    levels = (found - wanted).abs() * 127.5
    if ours.config.resize_backend == "tensor":
        assert float(levels.max()) < 1e-3
    else:
        # They round otherwise: few values differ, by a level or two.
        assert float(levels.max()) < 2.5
        assert float(levels.mean()) < 0.15


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_an_image_has_their_tiles_and_tokens(pair, size):
    ours, theirs = pair
    image = picture(*size)
    turns = CONVERSATIONS["a question"]
    input_ids, pictures = ask(ours, turns, [MediaInput("image", (image,))])
    text = theirs.apply_chat_template(messages(turns, ["image"]), add_generation_prompt=True)
    wanted = theirs(text=[text], images=[Image.fromarray(image)], return_tensors="pt")
    assert input_ids == wanted["input_ids"][0].tolist()
    check_pixels(ours, pictures, wanted["pixel_values"][0])


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_conversations_are_laid_out_alike(pair, conversation):
    ours, theirs = pair
    turns = CONVERSATIONS[conversation]
    image = picture(100, 70)
    for kinds in ([], ["image"]):
        media = [MediaInput("image", (image,)) for _ in kinds]
        text = theirs.apply_chat_template(messages(turns, kinds), add_generation_prompt=True)
        images = {"images": [Image.fromarray(image)]} if kinds else {}
        wanted = theirs(text=[text], return_tensors="pt", **images)
        assert ask(ours, turns, media)[0] == wanted["input_ids"][0].tolist()


def test_a_video_has_their_frames_and_as_many_tokens(pair):
    ours, theirs = pair
    frames = tuple(picture(97, 61, seed) for seed in range(4))
    turns = CONVERSATIONS["a question"]
    input_ids, pictures = ask(ours, turns, [MediaInput("video", frames)])
    text = theirs.apply_chat_template(messages(turns, ["video"]), add_generation_prompt=True)
    video = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    wanted = theirs(text=[text], videos=[video], return_tensors="pt", do_sample_frames=False)
    # Videos have a placeholder of their own there; what takes its place is the same.
    image, other = ours.tokenizer.special_id(IMAGE), ours.tokenizer.special_id(VIDEO)
    assert input_ids == [image if token == other else token for token in wanted["input_ids"][0].tolist()]
    check_pixels(ours, pictures, wanted["pixel_values_videos"][0])


def test_the_backend_is_kept_with_the_processor(tmp_path: Path):
    processor("tensor").save(tmp_path)
    assert Processor.load(tmp_path).config.resize_backend == "tensor"


def test_what_they_save_we_load(pair, tmp_path):
    ours, theirs = pair
    theirs.save_pretrained(tmp_path)
    loaded = Processor.load(tmp_path)
    wanted = ours.config.model_copy(update={"resize_backend": "tensor", "num_frames": 32})
    assert loaded.config == wanted
    assert loaded.tokenizer.encode("It stops.") == ours.tokenizer.encode("It stops.")


def test_older_files_of_theirs_are_loaded(tmp_path):
    ours = processor("tensor")
    ours.save(tmp_path)
    (tmp_path / "perceptlm.json").unlink()
    assert Processor.load(tmp_path).config == ours.config.model_copy(update={"num_frames": 32})


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("preprocessor_config.json", {"resample": 2}, "'resample' is 2; only 3 is supported"),
        ("preprocessor_config.json", {"image_mean": [0, 0, 0]}, "'image_mean' is [0, 0, 0]"),
        ("preprocessor_config.json", {"vision_input_type": "thumb"}, "vision_input"),
        ("processor_config.json", {"patch_size": 13}, "does not divide into patches of 13"),
        ("processor_config.json", {"image_processor": 3}, "'image_processor' must be a section"),
    ],
)
def test_settings_that_are_not_supported_are_named(tmp_path, name, change, complaint):
    processor("tensor").save(tmp_path)
    (tmp_path / "perceptlm.json").unlink()
    path = tmp_path / name
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(PerceptLMError) as caught:
        Processor.load(tmp_path)
    assert complaint in caught.value.message

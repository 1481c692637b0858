"""Bad input, through the command line: one clear sentence naming the culprit, an exit code, nothing else harmed."""

import errno
import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from perceptlm.artifact import list_children, partial_path, read_manifest, verify
from perceptlm.cli.main import run
from perceptlm.media.write_video import write_video

FRAMES = np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3), dtype=np.uint8)


@pytest.fixture
def refused(capsys):
    """Run a command that must fail; return its one sentence, and assert how it was said."""

    def call(*arguments, exit_code=1):
        assert run([str(argument) for argument in arguments]) == exit_code
        printed = capsys.readouterr()
        assert printed.out == ""
        lines = [line for line in printed.err.splitlines() if line not in ("world", "processor", "warmup")]
        assert lines[0].startswith("error: ")
        assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: ")), printed.err
        for machine_talk in ("Traceback", "internal error", "Errno", "Error:"):
            assert machine_talk not in lines[0].replace("error:", "", 1)
        return lines[0]

    return call


@pytest.fixture
def parts(demo, tmp_path):
    """The demo's parts by name, those that a test damages as copies."""

    def copy(name):
        return Path(shutil.copytree(demo / name, tmp_path / name, copy_function=os.link))

    return {"model": demo / "sft", "processor": demo / "processor", "world": demo / "world", "copy": copy}


def replace_text(path: Path, change) -> None:
    """Rewrite a file that may be a link to the demo's."""
    lines = path.read_text(encoding="utf-8").splitlines()
    path.unlink()
    path.write_text("\n".join(change(lines)) + "\n", encoding="utf-8")


# Media.


def write_clip(path: Path, *, size=(64, 48), ticks=None, rotation=0, codec="libx264") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(len(FRAMES)):
            frame = av.VideoFrame.from_ndarray(np.resize(FRAMES[number], (size[1], size[0], 3)), format="rgb24")
            frame.pts = number if ticks is None else ticks[number]
            frame.time_base = Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_truncated(path: Path) -> None:
    write_video(path, FRAMES, 8)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_without_pictures(path: Path) -> None:
    """A whole MP4 file of zero length: its header, and nothing to play."""
    with av.open(str(path), "w") as container:
        container.add_stream("mpeg4", rate=8, width=64, height=48)
        container.start_encoding()


BAD_MEDIA = {
    "truncated": (write_truncated, "neither an image nor a video"),
    "empty": (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
    "text": (lambda path: path.write_text("dear diary\n" * 99), "neither an image nor a video"),
    "directory": (Path.mkdir, "is a directory"),
    "missing": (lambda path: None, "there is no such file"),
    "sound": (write_sound, "neither an image nor a video"),
    "without pictures": (write_without_pictures, "neither an image nor a video"),
    "two damaged halves": (lambda path: path.write_bytes(b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 400), "neither"),
}


@pytest.mark.parametrize("name", list(BAD_MEDIA))
@pytest.mark.parametrize("option", ["--video", "--image"])
def test_bad_media(parts, tmp_path, refused, name, option):
    write, words = BAD_MEDIA[name]
    path = tmp_path / f"{name}.mp4"
    write(path)
    message = refused("generate", "--model", parts["model"], option, path, "What?")
    assert message.startswith(f"error: {path}: ")
    assert words in message


def test_a_truncated_real_video(parts, vtest_path, tmp_path, refused):
    path = tmp_path / "half.avi"
    path.write_bytes(vtest_path.read_bytes()[:300_000])
    assert "earlier than it announces" in refused("generate", "--model", parts["model"], "--video", path, "What?")


GOOD_MEDIA = {
    "odd size": {"size": (63, 47)},
    "quarter turn": {"rotation": 90},
    "variable rate": {"ticks": [0, 1, 2, 3, 50, 51, 52, 120, 121, 130, 131, 200]},
}


@pytest.mark.parametrize("name", list(GOOD_MEDIA))
def test_unusual_media_are_good_media(parts, tmp_path, capsys, name):
    path = write_clip(tmp_path / f"{name}.mp4", **GOOD_MEDIA[name])
    arguments = ["generate", "--model", str(parts["model"]), "--video", str(path), "What?", "--max-new-tokens", "1"]
    assert run(arguments) == 0
    assert capsys.readouterr().err == ""


# Records.

BAD_LINES = {
    "not JSON": ('{"id": broken', "not a JSON line"),
    "torn": ('{"id": "a", "task": "fg', "not a JSON line"),
    "a list": ("[1, 2]", "expected an object, found list"),
    "fields missing": ('{"id": "a"}', "'task': Field required"),
    "unknown field": (None, "unknown key 'colour'"),
    "unknown task": (None, "'task': Input should be"),
    "path outside": (None, "'media.0.path'"),
}


def damage_line(lines, number, name):
    line, _ = BAD_LINES[name]
    if line is None:
        record = json.loads(lines[number])
        if name == "unknown field":
            record["colour"] = "red"
        elif name == "unknown task":
            record["task"] = "dance"
        else:
            record["media"][0]["path"] = "../../etc/passwd"
        line = json.dumps(record)
    return [*lines[:number], line, *lines[number + 1 :]]


@pytest.mark.parametrize("name", list(BAD_LINES))
@pytest.mark.parametrize("command", ["eval", "train", "processor", "trace"])
def test_a_bad_line_is_named_by_file_and_number(parts, tmp_path, refused, command, name):
    world, out = parts["copy"]("world"), tmp_path / "out"
    split = "benchmark" if command == "eval" else "train"
    samples = world / split / "samples.jsonl"
    replace_text(samples, lambda lines: damage_line(lines, 2, name))
    arguments = {
        "eval": ["eval", "run", "--data", world, "--model", parts["model"], "--out", out],
        "train": ["train", "stage", "warmup", "--data", world, "--start", parts["processor"], "--out", out],
        "processor": ["train", "processor", "--data", world, "--out", out, "--set", "vocab_size=400"],
        "trace": ["trace", "--data", world, "--model", parts["model"], "--sample", "nobody", "--out", out],
    }[command]
    message = refused(*arguments)
    assert message.startswith(f"error: {samples}:3: ")
    assert BAD_LINES[name][1] in message
    assert not out.exists()


def test_a_world_of_which_nothing_can_be_read(parts, tmp_path, refused):
    world = parts["copy"]("world")
    for path in [*(world / "benchmark" / "videos").iterdir(), *(world / "benchmark" / "images").iterdir()]:
        path.unlink()
        path.write_bytes(b"not a video")
    message = refused(
        "eval", "run", "--data", world, "--model", parts["model"], "--out", tmp_path / "out", "--limit", 1
    )
    assert message.startswith(f"error: {world}: no media file could be read")


# Recipes.


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("num_stepz: 3", "unknown key 'num_stepz' (did you mean 'num_steps'?)"),
        ("name: warmup", "'num_steps': Field required"),
        ("num_steps: many", "'num_steps': Input should be a valid integer"),
        ("a: [1,\nb: 2", "not valid YAML"),
        ("- 1\n- 2", "expected a mapping of keys to values, found list"),
        ("", "expected a mapping of keys to values, found NoneType"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_bad_recipe_is_named_by_file_and_key(parts, tmp_path, refused, text, words):
    recipe = tmp_path / "recipe.yaml"
    if text is not None:
        recipe.write_text(text)
    arguments = ["--data", parts["world"], "--start", parts["processor"], "--out", tmp_path / "out"]
    message = refused("train", "stage", "warmup", *arguments, "--recipe", recipe)
    assert message.startswith(f"error: {recipe}: ")
    assert words in message
    assert list(tmp_path.iterdir()) == ([] if text is None else [recipe])


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("world.num_clipz=3", "unknown key 'world.num_clipz' (did you mean 'num_clips'?)"),
        ("wurld.num_clips=3", "there is no section 'wurld'"),
        ("world.num_clips", "is not of the form key=value"),
        ("world.num_clips=few", "'world.num_clips': Input should be a valid integer"),
        ("world.num_clips=[", "the value is not valid YAML"),
    ],
)
def test_a_bad_override_is_named(tmp_path, refused, assignment, words):
    assert words in refused("demo", "--smoke", "--out", tmp_path / "out", "--set", assignment)
    assert list(tmp_path.iterdir()) == []


# Directories.


def commands(parts, **changes):
    """Return one good command of each kind, with some of its directories replaced."""
    at = {"data": parts["world"], "model": parts["model"], "start": parts["processor"], "out": "unused"} | changes
    return {
        "eval": ["eval", "run", "--data", at["data"], "--model", at["model"], "--out", at["out"]],
        "train": ["train", "stage", "warmup", "--data", at["data"], "--start", at["start"], "--out", at["out"]],
        "processor": ["train", "processor", "--data", at["data"], "--out", at["out"], "--set", "vocab_size=400"],
        "trace": ["trace", "--data", at["data"], "--model", at["model"], "--out", at["out"]],
        "world": ["world", "make", "--clips", 1, "--out", at["out"]],
        "demo": ["demo", "--smoke", "--out", at["out"]],
        "verify": ["verify", at["data"]],
        "reproduce": ["reproduce", at["data"]],
    }


@pytest.mark.parametrize("name", ["eval", "train", "processor", "trace", "verify", "reproduce"])
def test_a_missing_directory_is_named(parts, tmp_path, refused, name):
    missing = tmp_path / "missing"
    assert refused(*commands(parts, data=missing, out=tmp_path / "out")[name]).startswith(f"error: {missing}: there is")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["eval", "trace"])
def test_a_missing_model_is_named(parts, tmp_path, refused, name):
    missing = tmp_path / "missing"
    assert str(missing) in refused(*commands(parts, model=missing, out=tmp_path / "out")[name])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["eval", "train", "processor", "trace"])
def test_data_of_another_kind_are_refused(parts, tmp_path, refused, name):
    message = refused(*commands(parts, data=parts["processor"], out=tmp_path / "out")[name])
    needed = {"train": "'world' or 'dataset'", "eval": "'world' or 'dataset' or 'worldbench'"}.get(name, "'world'")
    assert f"{parts['processor']}: an artifact of kind 'processor', but a {needed} is needed here" in message


def test_a_start_of_another_kind_is_refused(parts, tmp_path, refused):
    message = refused(*commands(parts, start=parts["world"], out=tmp_path / "out")["train"])
    assert f"{parts['world']}: an artifact of kind 'world', but a 'checkpoint' or 'processor' is needed" in message


@pytest.mark.parametrize("name", ["eval", "trace"])
def test_a_model_of_another_kind_is_refused(parts, tmp_path, refused, name):
    assert str(parts["world"]) in refused(*commands(parts, model=parts["world"], out=tmp_path / "out")[name])


@pytest.mark.parametrize("name", ["verify", "reproduce"])
def test_a_directory_that_is_no_artifact_is_refused(parts, tmp_path, refused, name):
    message = refused(*commands(parts, data=tmp_path)[name])
    assert f"{tmp_path}: not a published artifact (no manifest.json)" in message


@pytest.mark.parametrize("name", ["eval", "train", "processor", "world", "demo"])
def test_what_is_no_artifact_is_never_replaced(parts, tmp_path, refused, name):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    message = refused(*commands(parts, out=tmp_path / "thesis")[name], "--overwrite")
    assert f"{tmp_path / 'thesis'} already exists and is not an artifact" in message
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["eval", "train", "processor", "world", "demo", "trace"])
def test_a_file_where_the_output_should_be(parts, tmp_path, refused, name):
    (tmp_path / "file").write_text("x")
    assert str(tmp_path / "file") in refused(*commands(parts, out=tmp_path / "file")[name])
    assert (tmp_path / "file").read_text() == "x"


def test_a_wrong_command_does_not_stand_in_the_way_of_the_right_one(parts, tmp_path, refused, capsys):
    out = tmp_path / "out"
    world = parts["copy"]("world")
    replace_text(world / "train" / "samples.jsonl", lambda lines: damage_line(lines, 0, "not JSON"))
    refused(*commands(parts, data=world, out=out)["processor"])
    assert run([str(part) for part in commands(parts, out=out)["processor"]]) == 0


def test_debug_shows_where_it_happened(tmp_path):
    command = [sys.executable, "-m", "perceptlm", "verify", str(tmp_path / "missing")]
    plain = subprocess.run(command, capture_output=True, text=True, check=False)
    debug = subprocess.run([*command, "--debug"], capture_output=True, text=True, check=False)
    assert plain.returncode == 1
    assert "Traceback" not in plain.stderr
    assert debug.returncode == 1
    assert "Traceback" in debug.stderr
    assert f"ArtifactError: {tmp_path / 'missing'}: there is no such directory" in debug.stderr


# A full disk.


class _Disk:
    """Lets `num_bytes` be written by `write_atomic`, then is full."""

    def __init__(self, num_bytes: float) -> None:
        self.left = num_bytes
        self.fsync = os.fsync

    def __call__(self, descriptor: int) -> None:
        self.left -= os.fstat(descriptor).st_size
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.fsync(descriptor)


# Two saved states of the weights (and moments of the projector), then the weights alone: three times the weights.
@pytest.mark.parametrize("num_weights", [0, 0.01, 0.5])
def test_a_full_disk_in_a_stage_of_training(parts, demo, tmp_path, refused, monkeypatch, num_weights):
    num_bytes = num_weights * (demo / "warmup" / "model.safetensors").stat().st_size
    finished = parts["copy"]("processor")
    recipe, out = demo / "warmup" / "recipe.yaml", tmp_path / "warmup"
    command = ["train", "stage", "warmup", "--recipe", recipe, "--data", parts["world"], "--start", finished]
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", _Disk(num_bytes))
        message = refused(*command, "--out", out)
    assert message.startswith(f"error: the disk is full: cannot write {partial_path(out)}")
    assert not out.exists()
    assert verify(finished, lineage=False) == []
    assert run([str(part) for part in [*command, "--out", out]]) == 0
    assert read_manifest(out).digest == read_manifest(demo / "warmup").digest


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_small_disk_that_grows(demo, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let root mount")
    command = [sys.executable, "-m", "perceptlm", "demo", "--smoke", "--out", str(disk / "demo")]
    try:
        for size in ("1m", "5m", "40m", "80m", "110m"):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 1
            assert "error: " in done.stderr
            assert "Traceback" not in done.stderr
            finished = partial_path(disk / "demo")
            assert all(verify(finished / name) == [] for name in list_children(finished))
            subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
        subprocess.run(["mount", "-o", "remount,size=1g", str(disk)], check=True)
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        assert read_manifest(disk / "demo").digest == read_manifest(demo).digest
    finally:
        subprocess.run(["umount", str(disk)], check=True)

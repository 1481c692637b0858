"""Pictures of every size and kind, through all of preprocessing: tiles and tokens that agree, or one clear error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from perceptlm.clients.protocol import GenerationRequest
from perceptlm.errors import MediaError
from perceptlm.media.inputs import image_input
from perceptlm.preprocess.processor import Processor
from perceptlm.preprocess.tiling import tile_grid
from perceptlm.schema import Turn

ASKED = (Turn(role="user", text="What?"),)
EXIF_ORIENTATION = 0x0112


def ask(processor: Processor, path: Path) -> int:
    """Ask about a file and return the number of tiles; placeholders and pictures must agree."""
    example = processor.prompt(GenerationRequest("r", ASKED, (image_input(path),)))
    batch = processor.collate([example])
    batch.check(4)
    assert bool(batch.pictures.isfinite().all())
    return len(example.pictures)


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    return Image.fromarray(values, "RGBA").convert("RGB").convert(mode)


@pytest.mark.parametrize("backend", ["pil", "tensor"])
@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1), (1, 2), (3000, 2), (31, 33)], ids=str)
def test_strange_sizes(
    make_processor: Callable[..., Processor], tmp_path: Path, size: tuple[int, int], backend: str
) -> None:
    noise(*size).save(tmp_path / "a.png")
    columns, rows = tile_grid(*size, max_tiles=4, tile_size=32)
    assert ask(make_processor(resize_backend=backend), tmp_path / "a.png") == 1 + columns * rows


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("CMYK", "a.jpg"), ("CMYK", "a.tif"), ("I;16", "a.png"), ("I;16", "a.tif"), ("P", "a.gif"), ("P", "a.png"),
        ("1", "a.png"), ("L", "a.jpg"), ("LA", "a.png"), ("RGBA", "a.webp"),
    ],
)  # fmt: skip
def test_every_kind_of_pixel(processor: Processor, tmp_path: Path, mode: str, name: str) -> None:
    noise(40, 30, mode).save(tmp_path / name)
    assert ask(processor, tmp_path / name) == 5


def test_what_the_camera_turned_is_tiled_upright(processor: Processor, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    noise(90, 30).save(tmp_path / "a.jpg", exif=exif)
    assert image_input(tmp_path / "a.jpg").pictures[0].shape == (90, 30, 3)
    columns, rows = tile_grid(30, 90, max_tiles=4, tile_size=32)
    assert rows > columns
    assert ask(processor, tmp_path / "a.jpg") == 1 + columns * rows


def test_an_animation_is_its_first_picture(processor: Processor, tmp_path: Path) -> None:
    first, *others = [noise(40, 30, "L").point(lambda level, k=k: (level + 60 * k) % 256) for k in range(3)]
    first.save(tmp_path / "a.webp", save_all=True, append_images=others, lossless=True)
    assert ask(processor, tmp_path / "a.webp") == 5
    assert (image_input(tmp_path / "a.webp").pictures[0][..., 0] == np.asarray(first)).all()


def test_a_bomb_is_refused_by_its_header(processor: Processor, tmp_path: Path) -> None:
    for side, words in ((9_000, "a picture of 9000x9000 is over the limit"), (20_000, "exceeds limit")):
        Image.new("1", (side, side)).save(tmp_path / "a.png")
        with pytest.raises(MediaError, match=rf"a\.png: .*{words}"):
            ask(processor, tmp_path / "a.png")


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(kind=st.sampled_from(["png", "jpg", "gif", "webp", "tif", "bmp"]), data=st.data())
def test_damaged_files_are_pictures_or_one_error(
    processor: Processor, tmp_path: Path, kind: str, data: st.DataObject
) -> None:
    path = tmp_path / f"a.{kind}"
    noise(24, 18).save(path)
    content = bytearray(path.read_bytes()[: data.draw(st.integers(0, path.stat().st_size))])
    for place in data.draw(st.lists(st.integers(0, max(len(content) - 1, 0)), max_size=4)):
        if content:
            content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    assert named(processor, path) in (None, str(path))


def named(processor: Processor, path: Path) -> str | None:
    """Return the file that an error names, if it is refused."""
    try:
        return None if ask(processor, path) else "no tiles"
    except MediaError as error:
        return error.message.partition(": ")[0]


@given(st.integers(1, 30_000), st.integers(1, 30_000), st.integers(1, 36))
def test_every_size_has_a_grid(width: int, height: int, max_tiles: int) -> None:
    columns, rows = tile_grid(width, height, max_tiles)
    assert 1 <= columns * rows <= max_tiles

"""Reading images of every kind as upright RGB, and writing PNG."""

import warnings

import numpy as np
import pytest
from PIL import Image

from perceptlm.errors import MediaError, StorageError
from perceptlm.media.image import image_size, read_image, write_png
from perceptlm.media.limits import MediaLimits
from perceptlm.media.open import open_media


@pytest.fixture
def picture(moving) -> np.ndarray:
    return moving(1, 24, 20)[0]


def test_png_round_trip_is_exact_and_repeatable(tmp_path, picture):
    for name in ("a.png", "b.png"):
        write_png(tmp_path / name, picture)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), picture)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, picture, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.png"
    Image.fromarray(picture).save(path, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read_image(path), expected)
    assert image_size(path) == (expected.shape[1], expected.shape[0])


def test_pixel_types(tmp_path):
    path = tmp_path / "picture"

    def saved(image: Image.Image, kind: str, **options) -> list[int]:
        image.save(path, format=kind, **options)
        return read_image(path)[0, 0].tolist()

    assert saved(Image.new("L", (3, 2), 77), "PNG") == [77, 77, 77]
    assert saved(Image.new("1", (3, 2), 1), "PNG") == [255, 255, 255]
    assert saved(Image.fromarray(np.full((2, 3), 0x8080, np.uint16)), "PNG") == [128, 128, 128]
    assert saved(Image.fromarray(np.full((2, 3), 0xFFFF, np.uint16)), "TIFF") == [255, 255, 255]
    assert saved(Image.new("RGB", (3, 2), (1, 2, 3)).quantize(4), "GIF") == [1, 2, 3]
    assert saved(Image.new("CMYK", (3, 2), (0, 255, 255, 0)), "TIFF") == [255, 0, 0]
    assert saved(Image.new("RGBA", (3, 2), (200, 0, 0, 0)), "PNG") == [255, 255, 255]
    assert saved(Image.new("RGBA", (3, 2), (200, 0, 0, 128)), "PNG") == [227, 127, 127]
    assert saved(Image.new("LA", (3, 2), (0, 0)), "PNG") == [255, 255, 255]
    assert saved(Image.new("P", (3, 2), 0), "PNG", transparency=0) == [255, 255, 255]
    assert saved(Image.new("RGB", (1, 1), (4, 5, 6)), "BMP") == [4, 5, 6]


def test_cmyk_jpeg(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_image(tmp_path / "a.jpg")[8, 8].astype(int) - (255, 0, 0)).max() < 6


def test_animation_gives_its_first_picture(tmp_path):
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    for name in ("a.gif", "a.webp", "a.png"):
        options = {"lossless": True} if name == "a.webp" else {}
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], **options)
        assert read_image(tmp_path / name)[4, 4].tolist() == [255, 0, 0]
    assert open_media(tmp_path / "a.gif") == "video"
    assert open_media(tmp_path / "a.webp") == "image"


def test_unknown_ranges_are_refused(tmp_path):
    for mode, words in (("F", "floating-point"), ("I", "more than 16 bits")):
        Image.fromarray(np.full((2, 2), 70000, {"F": np.float32, "I": np.int32}[mode])).save(tmp_path / "a.tiff")
        with pytest.raises(MediaError, match=words):
            read_image(tmp_path / "a.tiff")


def test_bombs_are_refused_before_decoding(tmp_path, picture):
    write_png(tmp_path / "a.png", picture)
    with pytest.raises(MediaError, match="24x20 is over the limit of 479 pixels"):
        read_image(tmp_path / "a.png", limits=MediaLimits(max_pixels=479))
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = (30000).to_bytes(4, "big") * 2
    import zlib

    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(MediaError, match=r"a\.png"):
            read_image(tmp_path / "a.png")


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "webp", "tiff"])
def test_truncated_images(tmp_path, moving, kind):
    path = tmp_path / f"a.{kind}"
    Image.fromarray(moving(1, 64, 64)[0]).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=rf"a\.{kind}: "):
        read_image(path)


def test_not_an_image(tmp_path, encode):
    (tmp_path / "words.png").write_text("not a picture")
    (tmp_path / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "empty.png").touch()
    for path, words in (
        (tmp_path / "words.png", "is not an image"),
        (tmp_path / "page.eps", "is not an image"),
        (tmp_path / "empty.png", "is empty"),
        (tmp_path / "nowhere.png", "no such file"),
        (tmp_path, "is a directory"),
        (encode("clip.mp4"), "is not an image"),
    ):
        with pytest.raises(MediaError, match=words) as caught:
            read_image(path)
        assert caught.value.message.startswith(str(path))


def test_write_png_refusals(tmp_path):
    with pytest.raises(MediaError, match=r"must be \(H, W, 3\) uint8"):
        write_png(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(StorageError, match="cannot be written"):
        write_png(tmp_path / "nowhere" / "a.png", np.zeros((4, 4, 3), np.uint8))


def test_kind_is_decided_by_content(tmp_path, encode, picture, sound_only):
    write_png(tmp_path / "clip-really.mp4", picture)
    assert open_media(tmp_path / "clip-really.mp4") == "image"
    assert open_media(encode("clip.mp4").rename(tmp_path / "picture.png")) == "video"
    Image.fromarray(picture).save(tmp_path / "still.gif")
    assert open_media(tmp_path / "still.gif") == "image"
    (tmp_path / "words.mp4").write_text("neither")
    for path in (tmp_path / "words.mp4", sound_only):
        with pytest.raises(MediaError, match="neither an image nor a video"):
            open_media(path)
    with pytest.raises(MediaError, match="no such file"):
        open_media(tmp_path / "nowhere")

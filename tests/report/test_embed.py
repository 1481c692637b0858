import base64
import io

import numpy as np
import pytest
from PIL import Image

from perceptlm.errors import MediaError
from perceptlm.report.embed import embed_jpeg, embed_png, embed_svg
from perceptlm.report.text import showable


def decoded(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_png_carries_the_exact_pixels() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (7, 11, 3), dtype=np.uint8)
    embedded = embed_png(picture, alt="noise")
    assert embedded.uri.startswith("data:image/png;base64,")
    assert (decoded(embedded.uri) == picture).all()
    assert embed_png(picture[:, ::-1], alt="").data == embed_png(picture[:, ::-1].copy(), alt="").data


def test_jpeg_keeps_a_thin_red_box_red() -> None:
    picture = np.full((32, 32, 3), 110, np.uint8)
    picture[:, 9] = (255, 0, 0)
    red = decoded(embed_jpeg(picture, alt="box").uri)[16, 9].astype(int)
    assert red[0] > 200
    assert red[1:].max() < 60


def test_svg_is_carried_as_it_is() -> None:
    assert base64.b64decode(embed_svg(b"<svg/>", alt="a").uri.partition(",")[2]) == b"<svg/>"


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 0, 3), np.uint8), np.zeros((4, 4, 3))],
)
def test_anything_but_a_picture_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(MediaError, match=r"must be \(H, W, 3\) uint8"):
        embed_png(picture, alt="")


def test_showable_text_hides_nothing() -> None:
    assert showable("a\r\nb\tc") == "a\nb\tc"
    assert showable("\x00\x1b\x7f\x85\u202e\u2066\ud800\uffff") == "\ufffd" * 8
    assert showable("naïve 日本 🎥 עברית") == "naïve 日本 🎥 עברית"

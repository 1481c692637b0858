"""One server and one browser for all tests of the page; each test makes a project of its own."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from annotate_browser import CHROMIUM, chromium
from annotate_site import Site
from frame_corpus import Case, CorpusVideo, make
from playwright.sync_api import Browser

from perceptlm.annotate.api.page import WEB


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The real server with its people."""
    if not (WEB / "index.html").is_file():
        pytest.fail(f"{WEB} is empty: run `make ui`")
    with Site(tmp_path_factory.mktemp("site") / "data") as found:
        yield found


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, which `make test-services` installs. Not for the whole session: while it is open an event loop runs in
    this thread, and other tests want their own.
    """
    if not Path(CHROMIUM).exists():
        pytest.fail(f"{CHROMIUM} is missing: run `make test-services` as root")
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> CorpusVideo:
    """Forty pictures at 30000/1001 a second, each with its number burned in."""
    return make(tmp_path_factory.mktemp("clip"), Case("clip.mp4", Fraction(30000, 1001)))


@pytest.fixture(scope="session")
def uneven_clip(tmp_path_factory: pytest.TempPathFactory) -> CorpusVideo:
    """A VFR video of odd size that begins late."""
    ticks = tuple(50 + tick for tick in range(60) if tick % 3 != 1)
    return make(tmp_path_factory.mktemp("clip"), Case("odd.mkv", codec="libvpx", size=(97, 65), ticks=ticks))


@pytest.fixture(scope="session")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image."""
    from annotate_site import draw_line
    from PIL import Image

    path = tmp_path_factory.mktemp("still") / "still.png"
    Image.fromarray(draw_line(40, (320, 180))).save(path)
    return path

"""Debian's Chromium shows picture n of every proxy at (n + 0.5) / rate."""

from __future__ import annotations

import base64
import io
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from frame_corpus import CorpusVideo, read_number
from PIL import Image

from perceptlm.annotate.frames.proxy import make_proxy

CHROMIUM = shutil.which("chromium")
NAMES = ("cfr-23.976.mp4", "cfr-59.94.mp4", "vfr-long-gap.webm", "edit-list.mp4", "rotated-90.mp4", "odd-size.avi")
SHOW = """async (time) => {
    const video = document.querySelector("video");
    // Sought is not shown yet: under load the picture comes a moment later.
    const shown = new Promise((done) => video.requestVideoFrameCallback(done));
    video.currentTime = time;
    await shown;
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    return canvas.toDataURL("image/png");
}"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium, which make test installs")
def test_every_picture_is_shown_at_its_middle(frame_corpus: dict[str, CorpusVideo], tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        for name in NAMES:
            video = frame_corpus[name]
            record = make_proxy(video.path, tmp_path / "proxy.webm")
            data = base64.b64encode((tmp_path / "proxy.webm").read_bytes()).decode()
            page.set_content(f'<video muted src="data:video/webm;base64,{data}"></video>')
            page.wait_for_function("document.querySelector('video').readyState >= 2")
            rate = Fraction(record.frames_per_second)
            found = []
            for number in range(record.num_frames):
                shown = page.evaluate(SHOW, float((number + Fraction(1, 2)) / rate))
                picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown.split(",")[1]))).convert("RGB"))
                assert picture.shape[:2] == (record.height, record.width)
                found.append(read_number(picture[: record.shown_height, : record.shown_width]))
            assert found == list(video.numbers), name
        browser.close()

"""The picture on the canvas is the frame that the page names, however it was reached, in every video of the corpus."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from annotate_browser import canvas_picture, shown_frame, watched
from annotate_site import Site
from frame_corpus import CorpusVideo, read_number
from playwright.sync_api import Browser

# Goes to frame after frame by the page's own controls and reads at each what the page says is shown, and the picture on
# the canvas, made small. One call for a whole video: a round trip per frame would take minutes.
SIZE = (96, 64)
WALK = """async ([frames, width, height]) => {
    const canvas = document.querySelector("canvas");
    const small = Object.assign(document.createElement("canvas"), { width, height });
    const context = small.getContext("2d", { willReadFrequently: true });
    const shown = (frame) => new Promise((done, failed) => {
        const late = setTimeout(() => failed(new Error(`frame ${frame} never came`)), 15000);
        const look = () => {
            if (canvas.dataset.frame !== String(frame)) return;
            observer.disconnect();
            clearTimeout(late);
            done();
        };
        const observer = new MutationObserver(look);
        observer.observe(canvas, { attributeFilter: ["data-frame"] });
        look();
    });
    const read = () => {
        const [, x, y] = canvas.dataset.view.split(" ").map(Number);
        context.drawImage(canvas, x, y, canvas.width - 2 * x, canvas.height - 2 * y, 0, 0, width, height);
        const { data } = context.getImageData(0, 0, width, height);
        return String.fromCharCode(...data.filter((_, index) => index % 4 === 0));
    };
    const goTo = (frame) => {
        const field = document.querySelector("[data-jump]");
        field.value = frame;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        field.form.requestSubmit();
    };
    const step = () => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
    const found = [];
    let at = 0;
    for (const frame of frames) {
        if (frame === at + 1) step();
        else if (frame !== at) goTo(frame);
        at = frame;
        await shown(frame);
        const [named, time] = ["frame", "time"].map((id) => document.querySelector(`[data-testid=${id}]`).textContent);
        found.push([Number(named), time, read()]);
    }
    return found;
}"""


def times_of(table: dict[str, Any]) -> list[Fraction]:
    """Return the time of each frame since the first, from the server's frame table."""
    return [(pts - table["pts"][0]) * Fraction(*table["time_base"]) for pts in table["pts"]]


def telling_frames(video: CorpusVideo) -> list[int]:
    """Return where counting goes wrong first: both ends (edit lists, late starts), a keyframe, the gap of a variable
    rate, and one reached by going back.
    """
    last = len(video.numbers) - 1
    return [0, 12, 21, 1, last - 1, last]


@pytest.mark.parametrize("which", ["some", pytest.param("all", marks=pytest.mark.slow)])
def test_frames_of_every_video(browser: Browser, site: Site, frame_corpus: dict[str, CorpusVideo], which: str) -> None:
    project = site.new_project(mode="verify")
    videos = {project.add_footage(video.path): video for video in frame_corpus.values()}
    for asset, video in videos.items():
        project.add_items(asset, {"key": video.name, "step": "choice", "options": ["red", "blue"]})
    seen: list[str] = []
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        while len(seen) < len(videos):
            page.wait_for_function(
                """(seen) => {
                    const canvas = document.querySelector("canvas[data-frame='0']");
                    return canvas && !seen.includes(canvas.dataset.asset);
                }""",
                arg=seen,
            )
            seen.append(str(page.get_attribute("canvas", "data-asset")))
            video = videos[int(seen[-1])]
            frames = list(range(len(video.numbers))) if which == "all" else telling_frames(video)
            names, words, pictures = zip(*page.evaluate(WALK, [frames, *SIZE]), strict=True)
            assert list(names) == frames, video.name
            times = times_of(site.as_person("max").get(f"/assets/{seen[-1]}/frame-table"))
            assert [Fraction(time.removesuffix(" s")) for time in words] == [times[n] for n in frames], video.name
            shown = [np.frombuffer(text.encode("latin-1"), np.uint8).reshape(*SIZE[::-1], 1) for text in pictures]
            assert [read_number(picture) for picture in shown] == [video.numbers[n] for n in frames], video.name
            page.keyboard.press("1")
            page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=No work is waiting for you")


def test_the_canvas_shows_the_frame_it_names(browser: Browser, site: Site, uneven_clip: CorpusVideo) -> None:
    video = uneven_clip
    project = site.new_project()
    asset = project.add_footage(video.path)
    project.add_items(asset, {})
    table = site.as_person("max").get(f"/assets/{asset}/frame-table")
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:

        def check(number: int) -> None:
            shown_frame(page, number)
            assert read_number(canvas_picture(page)) == video.numbers[number]
            assert page.inner_text("[data-testid=frame]") == str(number)

        check(0)
        for key, number in (
            ("ArrowRight", 1),
            ("ArrowRight", 2),
            ("End", 39),
            ("ArrowLeft", 38),
            ("Shift+ArrowLeft", 28),
        ):
            page.keyboard.press(key)
            check(number)
        for words in ("33", f"{float(times_of(table)[17]):.4f}s"):
            page.keyboard.press("g")
            page.keyboard.type(words)
            page.keyboard.press("Enter")
            check(33 if words == "33" else 17)
        # Held down: nothing is shown that is not what the page names.
        for _ in range(12):
            page.keyboard.press("ArrowRight")
        check(29)
        page.keyboard.press("Home")
        check(0)
        page.keyboard.press(" ")
        page.wait_for_selector("[aria-label=Pause]")
        page.wait_for_function("() => Number(document.querySelector('[data-testid=frame]').textContent) > 3")
        page.keyboard.press(" ")
        page.wait_for_selector("[aria-label=Play]")
        page.wait_for_selector("canvas:not([data-frame=''])")
        page.wait_for_function("() => !document.body.textContent.includes('loading ')")
        check(int(page.inner_text("[data-testid=frame]")))


def test_boxes_drawn_with_the_pointer_are_in_source_pixels(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project()
    project.add_items(project.add_footage(clip.path), {})
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        shown_frame(page, 0)
        area = page.locator("canvas").bounding_box()
        assert area is not None

        def at(x: float, y: float) -> tuple[float, float]:
            scale, left, top = (float(word) for word in str(page.get_attribute("canvas", "data-view")).split())
            return area["x"] + left + x * scale, area["y"] + top + y * scale

        def drag(*points: tuple[float, float]) -> None:
            page.mouse.move(*at(*points[0]))
            page.mouse.down()
            for point in points[1:]:
                page.mouse.move(*at(*point), steps=3)
            page.mouse.up()

        def numbers() -> list[float]:
            return [float(field.input_value()) for field in page.locator("[aria-label='Box 1'] input").all()]

        drag((20, 10), (60, 40))
        assert numbers() == pytest.approx([20, 10, 60, 40], abs=0.3)
        drag((40, 25), (50, 30))
        assert numbers() == pytest.approx([30, 15, 70, 45], abs=0.5)
        page.keyboard.press("+")
        drag((70, 45), (80, 50))
        assert numbers() == pytest.approx([30, 15, 80, 50], abs=0.7)
        page.keyboard.press("Control+z")
        page.keyboard.press("Delete")
        page.wait_for_selector("text=None here.")

"""The picture on the canvas is the frame that the page names, however it was reached."""

from __future__ import annotations

import pytest
from annotate_browser import canvas_picture, shown_frame, watched
from annotate_site import Site
from frame_corpus import CorpusVideo, read_number
from playwright.sync_api import Browser


@pytest.mark.parametrize("name", ["clip", pytest.param("uneven_clip", marks=pytest.mark.slow)])
def test_the_canvas_shows_the_frame_it_names(
    browser: Browser, site: Site, name: str, request: pytest.FixtureRequest
) -> None:
    video: CorpusVideo = request.getfixturevalue(name)
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
        num, den = table["time_base"]
        seconds = (table["pts"][17] - table["pts"][0]) * num / den
        for words in ("33", f"{seconds:.4f}s"):
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


def test_the_time_is_exact(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project()
    project.add_items(project.add_footage(clip.path), {})
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        shown_frame(page, 0)
        page.keyboard.press("ArrowRight")
        shown_frame(page, 1)
        assert page.inner_text("[data-testid=time]") == "1001/30000 s"


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

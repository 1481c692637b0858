"""Take the pictures of the annotation page for the docs: `.venv/bin/python tools/make_page_pictures.py`.

A server of its own with drawn footage, people with known error rates who label through the HTTP API, and Chromium. What
the pictures show is simulated, but nothing in them is made up by the page. Writes docs/pictures/annotate-*.png.
"""

from __future__ import annotations

import io
import random
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from annotate_browser import chromium, shown_frame, watched  # noqa: E402
from annotate_site import ProjectOnSite, Site, proposal, write_footage  # noqa: E402
from playwright.sync_api import Browser, Page  # noqa: E402

from perceptlm.annotate.clock import ManualClock  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1360, "height": 780}
QUESTION = "Why is one of the bottles pushed off the belt?"
ANSWER = "It is less than half full, so the ram above the belt pushes it off."
DAY_SECONDS = 86_400
START_MS = 1_793_577_600_000
ACCURACY = {"ann": 0.96, "bea": 0.93, "cem": 0.9, "dag": 0.86, "eva": 0.62}


def main() -> None:
    """Take every picture."""
    with tempfile.TemporaryDirectory() as folder:
        clock = ManualClock(START_MS)
        with Site(Path(folder) / "data", clock=clock) as site, chromium() as browser:
            footage = write_footage(Path(folder) / "line.mp4")
            take_work(browser, site, footage)
            take_expert(browser, site, footage, clock)
            take_dashboard(browser, site, footage, clock)


def save(page: Page, name: str, *, full: bool = False) -> None:
    """Write what the page shows as a small PNG."""
    page.wait_for_timeout(1500)
    picture = Image.open(io.BytesIO(page.screenshot(full_page=full))).convert("RGB")
    path = PICTURES / f"annotate-{name}.png"
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} KiB")


def take_work(browser: Browser, site: Site, footage: Path) -> None:
    """The blind answer in light and dark, the help, the comparison."""
    project = site.new_project("filling-line-4", policy={"min_distractors": 1})
    proposals = [proposal("answer", "The bottle is underfilled."), proposal("distractor", "Its cap is missing.")]
    project.add_items(project.add_footage(footage), {"question": QUESTION, "proposals": proposals})
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work", viewport=SIZE) as page:
        shown_frame(page, 0)
        for keys, frame in (("84", 84), ("106", 106), ("92", 92)):
            page.keyboard.press("g")
            page.keyboard.type(keys)
            page.keyboard.press("Enter")
            shown_frame(page, frame)
            page.keyboard.press({84: "[", 106: "]", 92: "b"}[frame])
        for edge, value in zip(("right", "bottom", "left", "top"), (782, 464, 696, 292), strict=True):
            field = page.get_by_label(f"{edge} of box 1")
            field.fill(str(value))
            field.blur()
        page.fill("[data-field=answer]", ANSWER)
        page.get_by_test_id("save-state").get_by_text("Saved").wait_for()
        page.keyboard.press("Escape")
        page.click("[aria-label='Select box 1']")
        save(page, "work")
        page.emulate_media(color_scheme="dark")
        save(page, "work-dark")
        page.emulate_media(color_scheme="light")
        page.keyboard.press("?")
        save(page, "help")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("h1:has-text('Compare')")
        page.keyboard.press("1")
        page.get_by_test_id("save-state").get_by_text("Saved").wait_for()
        save(page, "compare")


def take_expert(browser: Browser, site: Site, footage: Path, clock: ManualClock) -> None:
    """What waits for an expert, and an escalated choice in their hands."""
    project = site.new_project("filling-line-5", policy={"first_labels": 2, "most_labels": 2})
    project.add_expert(project.domain)
    options = ["It is underfilled", "Its cap is missing", "Its label is crooked", "It is cracked"]
    questions = (QUESTION, "What is wrong with the last bottle?", "What does the ram push off?")
    entries = [
        {"question": question, "step": "choice", "options": options, "priority": 9 - number}
        for number, question in enumerate(questions)
    ]
    project.add_items(project.add_footage(footage), *entries)
    for first, second in ((0, 1), (0, 3), (2, 1)):
        project.do("ann", "choice", {"choice": first, "evidence": {"start": 84, "end": 107}})
        project.do("bea", "choice", {"choice": second, "note": "I cannot see a cap on this one."})
        project.refit()
        clock.move_seconds(5000)
    with watched(browser, site, "eli", f"/#/p/{project.slug}/queue", viewport={"width": 1360, "height": 420}) as page:
        page.clock.set_system_time(clock.now_ms() / 1000)
        page.reload()
        page.wait_for_selector("tbody tr")
        save(page, "queue")
        page.set_viewport_size(SIZE)  # type: ignore[arg-type]
        page.click("text=Take the first one")
        shown_frame(page, 0)
        page.keyboard.press("g")
        page.keyboard.type("92")
        page.keyboard.press("Enter")
        shown_frame(page, 92)
        page.keyboard.press("1")
        page.fill("[data-field=rationale]", "The level is at a third; no bottle on this line has a cap yet.")
        page.get_by_test_id("save-state").get_by_text("Saved").wait_for()
        save(page, "expert")


def take_dashboard(browser: Browser, site: Site, footage: Path, clock: ManualClock) -> None:
    """A week of simulated labels, and what the manager sees of it."""
    project = site.new_project("filling-line-6", policy={"first_labels": 2, "most_labels": 3, "audit_share": 0.05})
    for name in ("cem", "dag", "eva"):
        site.add_person(name, name.title())
        project.add_member(name, "annotator")
    label_for_a_week(project, project.add_footage(footage), clock)
    with watched(browser, site, "max", f"/#/p/{project.slug}/dashboard", viewport=SIZE) as page:
        page.wait_for_selector("text=Throughput per day")
        page.set_viewport_size({"width": 1360, "height": 900})
        save(page, "dashboard")


def label_for_a_week(project: ProjectOnSite, asset: int, clock: ManualClock) -> None:
    """Let everybody choose, each with their own rate of errors; an expert decides what was escalated."""
    random.seed(7)
    project.add_expert(project.domain)
    options = ["underfilled", "no cap", "crooked label", "cracked"]
    entries = [
        {"question": f"What is wrong with bottle {n}?", "step": "choice", "options": options} for n in range(110)
    ]
    truth = {item: random.randrange(4) for item in project.add_items(asset, *entries)}
    for day in range(7):
        for _ in range(random.randint(40, 60)):
            name = random.choice(list(ACCURACY))
            work = project.take(name, ["choice"])
            if work is not None:
                right = random.random() < ACCURACY[name]
                choice = truth[work["item"]["id"]] if right else random.randrange(4)
                project.do(name, "choice", {"choice": choice})
        project.refit()
        for _ in range(8):
            work = project.take("eli", ["expert"])
            if work is not None:
                ruling = {
                    "choice": truth[work["item"]["id"]],
                    "rationale": "Seen on the footage.",
                    "reason": "hard_to_see",
                }
                project.do("eli", "expert", ruling)
        if day < 6:
            clock.move_seconds(DAY_SECONDS)


if __name__ == "__main__":
    main()

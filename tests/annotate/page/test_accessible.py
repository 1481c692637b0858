"""axe finds nothing on any screen, light or dark; text of people and models is only ever text."""

from __future__ import annotations

from pathlib import Path

import pytest
from annotate_browser import axe, shown_frame, watched
from annotate_site import ProjectOnSite, Site, proposal
from frame_corpus import CorpusVideo
from playwright.sync_api import Browser, Page

HOSTILE = "</script><img src=x onerror=alert(1)><b>bold</b> {{7*7}} \N{SMILING FACE WITH OPEN MOUTH}"


def look(page: Page, found: list[str], where: str) -> None:
    """Add what axe finds here, in both colours."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        found += [f"{where}, {theme}: {problem}" for problem in axe(page)]


@pytest.fixture(scope="module")
def worked(site: Site, clip: CorpusVideo) -> ProjectOnSite:
    """A project with work for everybody and something to show on every screen."""
    project = site.new_project(policy={"min_distractors": 1, "first_labels": 1})
    asset = project.add_footage(clip.path)
    shown = [proposal("answer", "It turns red."), proposal("distractor", "It turns blue.")]
    entries: list[dict[str, object]] = [{"proposals": shown, "priority": 9}, {"proposals": shown, "priority": 8}]
    entries += [{"step": "question_check"}, {}, {"step": "choice", "options": ["red", "blue"]}]
    for item in project.add_items(asset, *entries)[:2]:
        project.do("ann", "blind_answer", {"answer": "It turns red.", "evidence": {"start": 0, "end": 9}})
        (answer,) = [row["id"] for row in project.item(item)["proposals"] if row["kind"] == "answer"]
        project.do("ann", "compare", {"proposal_id": answer, "same_meaning": True})
        project.do("bea", "distractor", {"distractor_id": answer + 1, "verdict": "certainly_false"})
    project.do("vera", "review", {"verdict": "accept"})
    return project


def test_screens_of_workers(browser: Browser, site: Site, worked: ProjectOnSite) -> None:
    found: list[str] = []
    with watched(browser, site, None) as page:
        page.wait_for_selector("text=Password")
        look(page, found, "login")
    with watched(browser, site, "ann") as page:
        page.wait_for_selector("h1:has-text('Projects')")
        look(page, found, "projects")
        for step in ("choice", "blind_answer", "question_check"):
            work = worked.take("ann", [step])
            assert work["step"] == step
            page.goto(f"{site.url}/#/p/{worked.slug}/work")
            page.reload()
            shown_frame(page, 0)
            if step == "blind_answer":
                for key in ("]", "b", "Control+Enter"):
                    page.keyboard.press(key)
                page.wait_for_selector("text=Write an answer.")
                look(page, found, "blind answer with a box and a message")
                page.keyboard.press("Escape")
                page.keyboard.press("?")
                page.wait_for_selector("text=Keyboard shortcuts")
                look(page, found, "help")
                page.keyboard.press("Escape")
            else:
                look(page, found, step)
            body = {"fence": work["fence"], "reason": "enough"}
            site.as_person("ann").post(f"/assignments/{work['id']}/release", body)
    with watched(browser, site, "vera", f"/#/p/{worked.slug}/work") as page:
        shown_frame(page, 0)
        page.keyboard.press("2")
        look(page, found, "review")
    assert found == []


def test_screens_of_managers(browser: Browser, site: Site, worked: ProjectOnSite) -> None:
    found: list[str] = []
    with watched(browser, site, "max", f"/#/p/{worked.slug}/queue") as page:
        page.wait_for_selector("text=Nothing is escalated")
        look(page, found, "queue")
        page.goto(f"{site.url}/#/p/{worked.slug}/dashboard")
        page.wait_for_selector("text=Throughput per day")
        for table in page.locator("summary").all():
            table.click()
        look(page, found, "dashboard")
        page.goto(f"{site.url}/#/p/{worked.slug}/releases")
        page.wait_for_selector("text=None yet.")
        page.fill("input[placeholder=training]", HOSTILE[:40])
        page.click("text=Make a draft")
        page.wait_for_selector("td:has-text('you')")
        assert page.locator("text=Approve release").count() == 0
        look(page, found, "releases")
    with watched(browser, site, "mia", f"/#/p/{worked.slug}/releases") as page:
        page.click("button:has-text('Approve')")
        page.wait_for_selector("text=published")
    with watched(browser, site, "olga", "/#/audit") as page:
        page.wait_for_selector("text=chain verified")
        page.wait_for_selector("text=release")
        look(page, found, "audit log")
    assert found == []


def test_hostile_text_is_shown_as_text(browser: Browser, site: Site, still: Path) -> None:
    project = site.new_project(policy={"min_distractors": 1}, title=HOSTILE[:60])
    guideline = f"# {HOSTILE}\n\n[go](javascript:alert(1)) <script>alert(1)</script>"
    site.as_person("max").post(f"/projects/{project.slug}/guidelines", {"markdown": guideline})
    shown = [proposal("answer", f"answer {HOSTILE}"), proposal("distractor", f"wrong {HOSTILE}")]
    (item,) = project.add_items(project.add_footage(still), {"question": HOSTILE, "proposals": shown})
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        shown_frame(page, 0)
        assert "<img src=x onerror=alert(1)>" in page.inner_text("blockquote")
        assert "<script>alert(1)</script>" in page.inner_text("[aria-label='Text of the guideline']")
        page.fill("[data-field=answer]", f"mine {HOSTILE}")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=Compare with the proposal")
        assert page.inner_text("[aria-label='Your answer'] p").startswith("mine </script><img")
        assert page.inner_text("[aria-label='Proposal of a model'] p").startswith("answer </script><img")
        assert page.locator("img[src=x], main script, main b, a[href^=javascript]").count() == 0
        page.keyboard.press("2")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=Judge the wrong answer")
        assert page.inner_text("[aria-label='Somebody could answer'] p").startswith("wrong </script><img")
        assert page.locator("img[src=x]").count() == 0
    assert HOSTILE[:20] in project.payloads(item, "blind_answer")[0]["answer"]

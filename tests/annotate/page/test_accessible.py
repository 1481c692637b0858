"""What managers and auditors see, by keyboard only; axe finds nothing. Text of people and models is only ever text."""

from __future__ import annotations

from pathlib import Path

import pytest
from annotate_browser import accessible, context_of, press, shown_frame, tab_to, watched
from annotate_site import Site, proposal
from playwright.sync_api import Browser

HOSTILE = "</script><img src=x onerror=alert(1)><b>bold</b> {{7*7}} \N{SMILING FACE WITH OPEN MOUTH}"


def test_screens_of_managers(browser: Browser, site: Site, still: Path) -> None:
    project = site.new_project(title="Line with a release", policy={"first_labels": 2, "most_labels": 2})
    project.add_expert(project.domain)
    project.add_items(project.add_footage(still), {"step": "choice", "options": ["red", "blue"]})
    project.do("ann", "choice", {"choice": 0})
    project.do("bea", "choice", {"choice": 1})
    project.refit()
    project.do("eli", "expert", {"choice": 0, "rationale": "Seen.", "reason": "hard_to_see"})
    with watched(browser, site, "max", f"/#/p/{project.slug}/queue") as page:
        page.wait_for_selector("text=Nothing is escalated")
        accessible(page)
        tab_to(page, "Dashboard")
        press(page, "Enter")
        page.wait_for_selector("text=Throughput per day")
        for title in ("Throughput per day", "Skill by domain"):
            tab_to(page, f"As a table: {title}")
            press(page, "Enter")
        accessible(page)
        tab_to(page, "Releases")
        press(page, "Enter")
        page.wait_for_selector("text=None yet.")
        tab_to(page, "Purpose")
        page.keyboard.type(HOSTILE[:40])
        press(page, "Enter")
        page.wait_for_selector("td:has-text('you')")
        assert page.locator("text=Approve release").count() == 0
        accessible(page)
        tab_to(page, "People")
        press(page, "Enter")
        page.wait_for_selector("th:has-text('Eli Ekström')")
        assert page.locator("th:has-text('Credentials'), button:has-text('Max Moreau')").count() == 0
    with watched(browser, site, "olga", f"/#/p/{project.slug}/releases") as page:
        page.wait_for_selector("td:has-text('Max Moreau')")
        tab_to(page, "Approve release")
        press(page, "Enter")
        page.wait_for_selector("td:has-text('published')")
        tab_to(page, "Supersede release")
        press(page, "Enter")
        page.wait_for_selector("dialog")
        accessible(page)
        page.keyboard.type("the guideline was wrong")
        press(page, "Enter")
        page.wait_for_selector("td:has-text('superseded')")
        page.wait_for_selector("text=the guideline was wrong")
        tab_to(page, "People")
        press(page, "Enter")
        page.wait_for_selector(".pill:has-text('until 2096-10-02')")
        tab_to(page, "Account")
        page.keyboard.type("bea")
        tab_to(page, "Role")
        page.keyboard.type("verifier")
        tab_to(page, "Give role")
        press(page, "Enter")
        page.wait_for_selector("tr:has-text('Bea Brandt') td:text-is('verifier')")
        accessible(page)
        for button, reason, gone in (
            ("Revoke general, line lead", "it was another person's", ".pill:has-text('revoked')"),
            ("Remove Bea Brandt", "has left", "table:not(:has-text('Bea Brandt'))"),
        ):
            tab_to(page, button)
            press(page, "Enter")
            page.wait_for_selector("dialog")
            page.keyboard.type(reason)
            press(page, "Enter")
            page.wait_for_selector(gone)
        tab_to(page, "Audit log")
        press(page, "Enter")
        page.wait_for_selector("text=chain verified")
        page.wait_for_selector("td:text-is('user.create')")  # oldest first, of all projects of the server
        accessible(page)


def test_hostile_text_is_shown_as_text(browser: Browser, site: Site, still: Path) -> None:
    project = site.new_project(policy={"min_distractors": 1}, title=HOSTILE[:60])
    guideline = f"# {HOSTILE}\n\n[go](javascript:alert(1)) <script>alert(1)</script>"
    site.as_person("max").post(f"/projects/{project.slug}/guidelines", {"markdown": guideline})
    shown = [proposal("answer", f"answer {HOSTILE}"), proposal("distractor", f"wrong {HOSTILE}")]
    (item,) = project.add_items(project.add_footage(still), {"question": HOSTILE, "proposals": shown})
    # A browser of its own: what listens for dialogs would answer those of later tests.
    with context_of(browser, site, "ann") as (context, watch):
        page = watch.add(context.new_page())
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        page.goto(f"{site.url}/#/p/{project.slug}/work")
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

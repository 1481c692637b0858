"""Lost connection, expired login, reload, two tabs, lost lease: what was entered is neither lost nor sent twice."""

from __future__ import annotations

from annotate_browser import accessible, context_of, press, shown_frame, sign_in, tab_to, watched
from annotate_site import PASSWORD, Site
from frame_corpus import CorpusVideo
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from perceptlm.annotate.store.tables import Assignment

STALE = ("status of 403",)
"""What Chromium writes of a write with the token of an earlier login."""


def state(page: Page, words: str) -> None:
    """Wait until the indicator says this."""
    expect(page.get_by_test_id("save-state")).to_have_text(words, timeout=15_000)


def answer(page: Page, words: str) -> None:
    """Write an answer with evidence and save it at once."""
    shown_frame(page, 0)
    press(page, "]")
    write(page, "answer", words)


def write(page: Page, field: str, words: str) -> None:
    """Fill a field and save at once, not only after a moment."""
    page.fill(f"[data-field={field}]", words)
    press(page, "Control+s")


def test_offline_work_is_queued_survives_and_arrives_once(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project(policy={"first_labels": 2})
    (item,) = project.add_items(project.add_footage(clip.path), {})
    sent: list[str] = []
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/submissions") else None)
        answer(page, "It falls.")
        state(page, "Saved")
        page.context.set_offline(True)
        page.fill("[data-field=note]", "written offline")
        page.keyboard.press("Control+Enter")
        state(page, "1 queued")
        page.wait_for_selector("text=stored in this browser")
        assert project.payloads(item, "blind_answer") == []
        page.context.set_offline(False)
        page.wait_for_selector("text=No work is waiting for you")
        assert len(sent) >= 2
    (payload,) = project.payloads(item, "blind_answer")
    assert (payload["answer"], payload["note"]) == ("It falls.", "written offline")


def test_a_queued_submission_outlives_the_tab(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project(policy={"first_labels": 2})
    (item,) = project.add_items(project.add_footage(clip.path), {})
    with context_of(browser, site, "ann") as (context, watch):
        page = watch.add(context.new_page())
        page.goto(f"{site.url}/#/p/{project.slug}/work")
        answer(page, "It falls.")
        # The server takes it, but its answer never arrives: the page cannot know.
        page.route("**/submissions", lambda route: (route.fetch(), route.abort("connectionfailed"))[1])
        page.keyboard.press("Control+Enter")
        state(page, "1 queued")
        assert len(project.payloads(item, "blind_answer")) == 1
        watch.problems.clear()
        page.close()
        again = watch.add(context.new_page())
        again.goto(site.url)
        again.wait_for_selector("h1:has-text('Projects')")
        state(again, "")
    assert len(project.payloads(item, "blind_answer")) == 1


def test_a_draft_written_offline_is_there_after_a_reload(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project()
    project.add_items(project.add_footage(clip.path), {})
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        answer(page, "first")
        state(page, "Saved")
        page.context.set_offline(True)
        page.fill("[data-field=answer]", "first, and more")
        page.context.set_offline(False)
        page.reload()
        shown_frame(page, 0)
        assert page.input_value("[data-field=answer]") == "first, and more"
        state(page, "Saved")


def test_an_expired_login_is_renewed_in_place(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project(policy={"first_labels": 2})
    (item,) = project.add_items(project.add_footage(clip.path), {})
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        answer(page, "It falls.")
        state(page, "Saved")
        site.end_logins()
        page.fill("[data-field=note]", "not lost")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=Your login has expired")
        accessible(page)
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("text=No work is waiting for you")
    (payload,) = project.payloads(item, "blind_answer")
    assert (payload["answer"], payload["note"]) == ("It falls.", "not lost")


def test_two_tabs_never_overwrite_each_other(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project()
    project.add_items(project.add_footage(clip.path), {})
    with context_of(browser, site, "ann") as (context, watch):
        first, second = watch.add(context.new_page()), watch.add(context.new_page())
        for page in (first, second):
            page.goto(f"{site.url}/#/p/{project.slug}/work")
        for page in (first, second):
            shown_frame(page, 0)
            page.wait_for_selector("text=also open in another tab")
        write(first, "answer", "from the first tab")
        state(first, "Saved")
        write(second, "answer", "from the second tab")
        second.wait_for_selector("text=This draft was changed elsewhere")
        assert "from the second tab" in second.inner_text("[data-testid=mine]")
        assert "from the first tab" in second.inner_text("[data-testid=theirs]")
        accessible(second)
        tab_to(second, "Take that one")
        press(second, "Enter")
        second.wait_for_selector("dialog", state="detached")
        assert second.input_value("[data-field=answer]") == "from the first tab"
        write(second, "answer", "from both")
        state(second, "Saved")
        write(first, "answer", "the first tab goes on")
        first.wait_for_selector("text=This draft was changed elsewhere")
        # The dialog has the focus, on its first button.
        press(first, "Enter")
        state(first, "Saved")
    assert project.take("ann")["draft"]["body"]["edits"]["answer"] == "the first tab goes on"


def test_a_lost_lease_is_said_and_the_work_kept(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project()
    (item,) = project.add_items(project.add_footage(clip.path), {})
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        answer(page, "Too late.")
        state(page, "Saved")
        past = update(Assignment).where(Assignment.item_id == item).values(lease_until=1)
        site.server.database.write(lambda session: session.execute(past))
        project.do("bea", "blind_answer", {"answer": "It falls.", "evidence": {"start": 0, "end": 2}})
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=This work is no longer yours")
        assert "Too late." in page.input_value("[aria-label='What you entered']")
        accessible(page)
        tab_to(page, "Get other work")
        press(page, "Enter")
        page.wait_for_selector("text=No work is waiting for you")
        tab_to(page, "1 not taken")
        press(page, "Enter")
        page.wait_for_selector("text=Submissions that were not taken")
        accessible(page)
        assert "Too late." in page.input_value("[aria-label='What you entered for item " + str(item) + "']")
        tab_to(page, "Throw away")
        press(page, "Enter")
        page.wait_for_selector("text=None.")
    assert len(project.payloads(item, "blind_answer")) == 1


def test_another_login_of_the_same_person_refuses_nothing(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project(policy={"first_labels": 2})
    (item,) = project.add_items(project.add_footage(clip.path), {})
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work", handled=STALE) as page:
        answer(page, "It falls.")
        state(page, "Saved")
        # As if she had logged in anew in another tab: the token of this one is of a session that is no more used.
        sign_in(page.context, site, "ann")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=No work is waiting for you")
    assert [payload["answer"] for payload in project.payloads(item, "blind_answer")] == ["It falls."]


def test_nobody_sends_the_work_of_somebody_else(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project(policy={"first_labels": 2})
    (item,) = project.add_items(project.add_footage(clip.path), {})
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work", handled=STALE) as page:
        answer(page, "It falls.")
        state(page, "Saved")
        page.context.set_offline(True)
        page.keyboard.press("Control+Enter")
        state(page, "1 queued")
        page.context.clear_cookies()
        sign_in(page.context, site, "bea")
        page.context.set_offline(False)
        # Whoever wrote it has to log in again: it is neither sent for the other nor refused.
        page.wait_for_selector("text=Your login has expired")
        assert project.payloads(item, "blind_answer") == []
        page.goto("about:blank")
        page.goto(f"{site.url}/#/")
        page.wait_for_selector("text=Bea Brandt")
        state(page, "")
        assert project.payloads(item, "blind_answer") == []
        page.goto("about:blank")
        sign_in(page.context, site, "ann")
        page.goto(f"{site.url}/#/")
        page.wait_for_selector("text=Ann Abara")
        state(page, "")
    assert [payload["answer"] for payload in project.payloads(item, "blind_answer")] == ["It falls."]

"""Every step of the work, done with the keyboard only, against the real server; axe finds nothing on the way."""

from __future__ import annotations

from pathlib import Path

from annotate_browser import accessible, at_step, press, shown_frame, tab_to, watched
from annotate_site import PASSWORD, ProjectOnSite, Site, proposal
from frame_corpus import CorpusVideo
from playwright.sync_api import Browser

PROPOSALS = [proposal("answer", "The light turns red."), proposal("distractor", "The light turns blue.")]


def answer_and_compare(project: ProjectOnSite, item: int) -> None:
    """Let Ann answer blind and find the proposal the same."""
    project.do("ann", "blind_answer", {"answer": "It turns red.", "evidence": {"start": 0, "end": 9}})
    (found,) = [row["id"] for row in project.item(item)["proposals"] if row["kind"] == "answer"]
    project.do("ann", "compare", {"proposal_id": found, "same_meaning": True})


def test_an_annotator_signs_in_checks_answers_and_compares(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project(pack="inspection-demo", title="Filling line with keys of its own")
    (item,) = project.add_items(project.add_footage(clip.path), {"step": "question_check", "proposals": PROPOSALS})
    with watched(browser, site, None) as page:
        page.wait_for_selector("text=Password")
        accessible(page)
        tab_to(page, "Name")
        page.keyboard.type("ann")
        tab_to(page, "Password")
        page.keyboard.type(PASSWORD)
        press(page, "Enter")
        page.wait_for_selector("h1:has-text('Projects')")
        accessible(page)
        tab_to(page, "Work: Filling line with keys of its own")
        press(page, "Enter")

        at_step(page, "Check the question")
        accessible(page)
        press(page, "2")
        press(page, "a")
        press(page, "Control+a")
        page.keyboard.type("What happens to the light?")
        press(page, "Control+Enter")

        at_step(page, "Answer in your own words")
        assert page.inner_text("blockquote") == "What happens to the light?"
        shown_frame(page, 0)
        # `g` and Shift with an arrow are the pack's: the guideline, and a second. What had them keeps its other keys.
        press(page, "g")
        page.wait_for_selector("[aria-label='Text of the guideline']", state="detached")
        press(page, "g")
        press(page, "Shift+ArrowRight")
        shown_frame(page, 29)
        press(page, "?")
        page.wait_for_selector("dialog :text('One second on')")
        keys = page.inner_text("dialog div:has(> dd:text-is('One second on')) dt")
        assert keys.split() == ["Shift", "→", "Shift", "Page", "Down"]
        accessible(page)
        press(page, "Escape")
        # A text that has the focus scrolls; the frame stays.
        tab_to(page, "Text of the guideline")
        press(page, "PageDown", "Home", "End", "Escape")
        shown_frame(page, 29)
        press(page, "t")
        page.keyboard.type("10")
        press(page, "Enter", "[", "PageDown", "ArrowRight", "]", "b", "Alt+ArrowRight", "Alt+Shift+ArrowDown")
        page.wait_for_selector("h2:has-text('Boxes on frame 21')")
        press(page, "Control+Enter")
        page.wait_for_selector("text=Write an answer.")
        accessible(page)
        page.keyboard.type("It turns red.")
        press(page, "Escape", "u", "m")
        page.keyboard.type("dim")
        press(page, "Control+Enter")

        at_step(page, "Compare with the proposal")
        assert page.inner_text("[aria-label='Your answer'] p") == "It turns red."
        assert page.inner_text("[aria-label='Proposal of a model'] p") == "The light turns red."
        accessible(page)
        press(page, "1", "Control+Enter")
        page.wait_for_selector("text=No work is waiting for you")
        accessible(page)
    assert project.payloads(item, "question_check")[0]["question"] == "What happens to the light?"
    (answer,) = project.payloads(item, "blind_answer")
    assert answer["answer"] == "It turns red."
    assert answer["evidence"] == {"start": 10, "end": 22}
    assert (answer["unsure"], answer["note"]) == (True, "dim")
    assert answer["boxes"] == [{"frame": 21, "box": [33.0, 21.3, 65.0, 43.7]}]
    (compared,) = project.payloads(item, "compare")
    assert compared["same_meaning"] is True
    assert compared["merged"] is None


def test_undo_takes_back_every_kind_of_edit(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project()
    project.add_items(project.add_footage(clip.path), {})
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        shown_frame(page, 0)
        at_step(page, "Answer in your own words")
        press(page, "ArrowRight", "]", "b", "u", "a")
        page.keyboard.type("word")
        page.wait_for_selector("[aria-label='Box 1']")
        press(page, "Control+z")
        assert page.input_value("[data-field=answer]") == ""
        press(page, "Control+z", "Control+z")
        page.wait_for_selector("text=None here.")
        press(page, "Control+z")
        page.wait_for_selector("[data-handle]", state="detached")
        assert not page.is_checked("text=I am unsure")
        for _ in range(4):
            press(page, "Control+y")
        assert page.input_value("[data-field=answer]") == "word"
        assert page.get_attribute("[data-handle=end]", "aria-valuenow") == "1"
        assert page.is_checked("text=I am unsure")
        assert page.locator("[aria-label='Box 1']").count() == 1


def test_a_distractor_a_review_and_a_rework(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project(policy={"min_distractors": 1})
    entry = {"question": "What happens?", "proposals": PROPOSALS}
    (item,) = project.add_items(project.add_footage(clip.path), entry)
    answer_and_compare(project, item)
    with watched(browser, site, "bea", f"/#/p/{project.slug}/work") as page:
        at_step(page, "Judge the wrong answer")
        assert page.inner_text("[aria-label='Somebody could answer'] p") == "The light turns blue."
        accessible(page)
        press(page, "1", "Control+Enter")
        page.wait_for_selector("text=No work is waiting for you")
    assert project.payloads(item, "distractor")[0]["verdict"] == "certainly_false"
    with watched(browser, site, "vera", f"/#/p/{project.slug}/work") as page:
        at_step(page, "Review")
        page.wait_for_selector("text=It turns red.")
        press(page, "2", "Control+Enter")
        page.wait_for_selector("text=Give at least one reason.")
        accessible(page)
        # The first reason has the focus now.
        press(page, "Space", "Control+Enter")
        page.wait_for_selector("text=No work is waiting for you")
    (review,) = project.payloads(item, "review")
    assert (review["verdict"], review["reasons"]) == ("rework", ["unclear_question"])


def test_a_choice_is_made_blind_and_may_be_made_again(browser: Browser, site: Site, still: Path) -> None:
    project = site.new_project(policy={"first_labels": 2})
    entry = {"step": "choice", "options": ["two", "three", "four"], "proposals": [proposal("choice", "four")]}
    (item,) = project.add_items(project.add_footage(still), entry)
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        at_step(page, "Choose the answer")
        assert page.locator("text=A model proposes").count() == 0
        press(page, "2", "Control+Enter")
        at_step(page, "Choose again, with the proposal")
        page.wait_for_selector("text=A model proposes")
        accessible(page)
        press(page, "3", "Control+Enter")
        page.wait_for_selector("text=No work is waiting for you")
    assert [row["choice"] for row in project.payloads(item, "choice")] == [1, 2]


def test_a_calibration_item_is_told_and_then_real_work_comes(browser: Browser, site: Site, still: Path) -> None:
    project = site.new_project(policy={"calibration_items": 1, "calibration_pass": 0.5})
    entry = {"step": "choice", "options": ["two", "three"]}
    known, real = project.add_items(project.add_footage(still), entry, {**entry, "question": "How many are full?"})
    told = {"key 0": {"expected": {"choice": 1}, "explanation": "The third stands behind."}}
    site.as_person("max").put(f"/projects/{project.slug}/calibration", told)
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        at_step(page, "Choose the answer")
        page.wait_for_selector("text=calibration: you are told afterwards")
        press(page, "2", "Control+Enter")
        page.wait_for_selector("dialog:has-text('The third stands behind.')")
        assert page.inner_text("dialog h2") == "That is right"
        assert page.locator("text=stored in this browser").count() == 0
        accessible(page)
        press(page, "Enter")
        page.wait_for_selector("text=How many are full?")
        at_step(page, "Choose the answer")
        press(page, "1", "Control+Enter")
        page.wait_for_selector("text=No work is waiting for you")
    assert [row["choice"] for row in project.payloads(known, "choice")] == [1]
    assert [row["choice"] for row in project.payloads(real, "choice")] == [0]


def test_somebody_new_to_the_item_does_the_ceiling(browser: Browser, site: Site, clip: CorpusVideo) -> None:
    project = site.new_project(policy={"min_distractors": 1, "ceiling_share": 1.0})
    (item,) = project.add_items(project.add_footage(clip.path), {"proposals": PROPOSALS})
    answer_and_compare(project, item)
    (wrong,) = [row["id"] for row in project.item(item)["proposals"] if row["kind"] == "distractor"]
    project.do("bea", "distractor", {"distractor_id": wrong, "verdict": "certainly_false"})
    project.do("vera", "review", {"verdict": "accept"})
    site.add_person("kim", "Kim Kwon")
    project.add_member("kim", "annotator")
    with watched(browser, site, "kim", f"/#/p/{project.slug}/work") as page:
        at_step(page, "Choose the answer")
        options = page.locator("[role=radiogroup] label .people").all_inner_texts()
        assert sorted(options) == ["It turns red.", "The light turns blue."]
        accessible(page)
        press(page, str(options.index("It turns red.") + 1), "Control+Enter")
        page.wait_for_selector("text=No work is waiting for you")
        # Neither the work of other roles nor which choice is the fresh one.
        assert page.get_by_label("Kind of work").locator("option").all_inner_texts() == [
            "whatever comes next",
            "Check the question",
            "Answer in your own words",
            "Judge the wrong answer",
            "Choose the answer",
        ]
    assert [options[row["choice"]] for row in project.payloads(item, "ceiling")] == ["It turns red."]


def test_an_expert_finds_in_the_queue_what_to_decide_and_decides(
    browser: Browser, site: Site, clip: CorpusVideo
) -> None:
    project = site.new_project(policy={"first_labels": 2, "most_labels": 2})
    project.add_expert(project.domain)
    entry = {"step": "choice", "options": ["red", "blue"], "question": "Which colour does it turn?"}
    (item,) = project.add_items(project.add_footage(clip.path), entry)
    project.do("ann", "choice", {"choice": 0})
    project.do("bea", "choice", {"choice": 1, "note": "looks blue to me"})
    project.refit()
    assert project.item(item)["state"] == "escalated"
    with watched(browser, site, "eli", f"/#/p/{project.slug}/queue") as page:
        row = page.locator("tbody tr")
        row.wait_for()
        for words in ("Which colour does it turn?", "red ×1", "blue ×1", "under a minute"):
            assert words in row.inner_text()
        (entry,) = site.as_person("eli").get(f"/projects/{project.slug}/queue")["queue"]
        assert row.locator(".pill").all_inner_texts() == [entry["reason"].replace("_", " ")]
        accessible(page)
        tab_to(page, "Take the first one")
        press(page, "Enter")
        at_step(page, "Decide as the expert")
        page.wait_for_selector("text=looks blue to me")
        page.wait_for_selector("text=Escalated")
        press(page, "1", "Control+Enter")
        page.wait_for_selector("text=Say why: the rationale is kept with the item.")
        accessible(page)
        page.keyboard.type("The lamp is behind tinted glass.")
        press(page, "Tab")
        page.keyboard.type("What is asked is hard")
        press(page, "Control+Enter")
        page.wait_for_selector("text=No work is waiting for you")
    (ruling,) = project.payloads(item, "expert")
    assert (ruling["choice"], ruling["reason"]) == (0, "hard_to_see")
    assert ruling["rationale"] == "The lamp is behind tinted glass."


def test_who_is_paused_is_told_so_until_a_manager_lets_them_work_on(
    browser: Browser, site: Site, clip: CorpusVideo
) -> None:
    project = site.new_project()
    project.add_items(project.add_footage(clip.path), {})
    project.pause("ann")
    with watched(browser, site, "ann", f"/#/p/{project.slug}/work") as page:
        page.wait_for_selector("text=your work in this project is paused")
        accessible(page)
        project.add_member("ann", "annotator")
        tab_to(page, "Get work")
        press(page, "Enter")
        at_step(page, "Answer in your own words")

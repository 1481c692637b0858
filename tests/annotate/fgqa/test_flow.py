"""The flow of an item: who is asked next, when an expert is, and which moves of the life cycle follow."""

from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perceptlm.annotate.fgqa.flow import advance
from perceptlm.annotate.fgqa.payloads import ItemContext, validate_payload
from perceptlm.annotate.fgqa.stages import may_take, plain_verdict
from perceptlm.annotate.fgqa.text_only import about
from perceptlm.annotate.fgqa.view import (
    Decision,
    ItemView,
    Proposal,
    SlotRequest,
    SubmissionView,
    TextOnlyCheck,
    decision_key,
)
from perceptlm.annotate.policy import Policy

CONTEXT = ItemContext(
    num_frames=100,
    width=64,
    height=64,
    options=("left", "right", "up"),
    proposal_ids=frozenset([1]),
    other_answers=frozenset(range(1000)),
)
MOVES = {
    ("open", "agree"): "agreed", ("open", "contest"): "contested", ("contested", "escalate"): "escalated",
    ("agreed", "escalate"): "escalated", ("agreed", "verify"): "verified", ("verified", "accept"): "accepted",
    ("agreed", "accept"): "accepted", ("agreed", "rework"): "rework", ("rework", "open"): "open",
    ("agreed", "open"): "open", ("escalated", "adjudicate"): "adjudicated", ("adjudicated", "open"): "open",
    ("adjudicated", "accept"): "accepted", ("adjudicated", "discard"): "discarded", ("open", "discard"): "discarded",
    ("agreed", "discard"): "discarded", ("accepted", "reconsider"): "open",
}  # fmt: skip
POLICY = Policy()


@dataclass
class Play:
    """A server in small: it opens the slots that the flow asks for, and takes submissions into them."""

    view: ItemView
    policy: Policy = POLICY
    submissions: list = field(default_factory=list)
    events: list = field(default_factory=list)
    last: object = None

    def decide(self):
        """Be the quality engine: of split or unsure people ask a third about a question, an expert about the rest."""
        pieces = {}
        for item in self.submissions:
            if item.step in ("question_check", "distractor"):
                pieces.setdefault(decision_key(item.step, item.subject), []).append(item.payload)
        for key, said in pieces.items():
            verdicts, is_unsure = [item.verdict for item in said], any(item.unsure for item in said)
            step = key.partition(":")[0]
            if len(said) < 2 or plain_verdict(step, verdicts, is_unsure=is_unsure) is not None:
                continue
            most, num_most = (Counter(item.verdict for item in said if not item.unsure).most_common(1) or [("", 0)])[0]
            decision = Decision("escalate", reason="unsure" if is_unsure else "disagreement", num_given=len(said))
            if step == "question_check" and len(said) == 2:
                decision = Decision("another_label", num_given=2)
            elif step == "question_check" and num_most == 2:
                decision = Decision("accept", most, num_given=3)
            self.view = replace(self.view, decisions={**self.view.decisions, key: decision})

    def step(self):
        self.decide()
        found = self.last = advance(self.view, self.submissions, self.policy)
        slots = list(self.view.open_slots)
        for slot in found.closed:
            slots.remove(next(item for item in slots if item.work == slot.work))
        state = self.view.state
        for event in found.events:
            state = MOVES[state, event]
        self.events += found.events
        self.view = replace(
            self.view,
            state=state,
            open_slots=(*slots, *found.new_steps),
            round=self.view.round + found.next_round,
        )
        if found.next_round:
            return self.step()
        assert not advance(self.view, self.submissions, self.policy).new_steps, "asked twice, it opens work twice"
        return found

    def submit(self, user, step, subject=None, **payload):
        slots = [
            slot
            for slot in self.view.open_slots
            if slot.step == step and slot.subject == subject and slot.only_user in (None, user)
        ]
        assert slots, f"no open {step} for {user}: {self.view.open_slots}"
        assert user not in slots[0].not_users, f"{user} must not do {step}"
        rest = list(self.view.open_slots)
        rest.remove(slots[0])
        self.view = replace(self.view, open_slots=tuple(rest))
        context = replace(
            CONTEXT, distractor_id=subject, proposal_ids=frozenset(p.id for p in self.view.of_kind("answer"))
        )
        number = len(self.submissions) + 1
        found = validate_payload(step, payload, context)
        self.submissions.append(SubmissionView(number, user, step, found, self.view.round, subject, slots[0].about))
        self.step()
        return number

    def wanted(self):
        return sorted((slot.step, slot.subject, slot.only_user) for slot in self.view.open_slots)


def fgqa(policy=POLICY, **changes):
    proposals = (
        Proposal(1, "answer", "the blue key"),
        Proposal(2, "distractor", "the red key"),
        Proposal(3, "distractor", "the green key"),
    )
    base = ItemView(
        key="item-1", kind="fgqa", mode="blind_first", state="open", question="Which key turns?", proposals=proposals,
    )  # fmt: skip
    play = Play(replace(base, **changes), policy)
    play.step()
    return play


def answer(play, user, text="blue key", **changes):
    payload = {"answer": text, "evidence": {"start": 3, "end": 9}} | changes
    return play.submit(user, "blind_answer", **payload)


def compare(play, user, same=True, **changes):
    return play.submit(user, "compare", **({"proposal_id": 1, "same_meaning": same} | changes))


def agreed_answer(play):
    for user in ("ann", "ben"):
        play.submit(user, "question_check", verdict="valid")
    for user in ("ann", "ben"):
        answer(play, user)
    for user in ("ann", "ben"):
        compare(play, user)


def judged(play, verdicts=("certainly_false", "certainly_false")):
    for number in (2, 3):
        for user, verdict in zip(("ann", "cem"), verdicts, strict=True):
            play.submit(user, "distractor", number, distractor_id=number, verdict=verdict)


def test_an_item_that_all_agree_on_goes_through_every_step_to_a_group():
    play = fgqa()
    assert play.wanted() == [("question_check", None, None)] * 2
    agreed_answer(play)
    assert play.wanted() == sorted([("distractor", 2, None), ("distractor", 3, None)] * 2)
    judged(play)
    assert play.view.state == "agreed"
    (review,) = play.view.open_slots
    assert (review.step, review.role) == ("review", "verifier")
    assert {"ann", "ben", "cem"} <= review.not_users
    play.submit("dia", "review", verdict="accept")
    assert play.view.state == "accepted"
    assert play.events == ["agree", "verify", "accept"]
    derived = play.last.derived
    assert derived["answer"] == "blue key"
    assert derived["evidence"] == {"start": 3, "end": 9}
    assert [set(pair["options"]) for pair in derived["groups"]] == [
        {"blue key", "the red key"}, {"blue key", "the green key"},
    ]  # fmt: skip
    assert all(pair["options"][pair["answer_index"]] == "blue key" for pair in derived["groups"])


def test_comparing_comes_to_who_answered_and_later_ones_see_earlier_answers():
    play = fgqa(question_checked=True, proposals=())
    assert play.last.needs == ("answer_proposals",), "a model may propose an answer; nobody waits for it"
    answer(play, "ann")
    assert play.wanted() == [("blind_answer", None, None)], "the first has nothing to compare with"
    answer(play, "ben", "the azure key")
    assert play.wanted() == [("compare", None, "ben")]
    play.submit(
        "ben", "compare", proposal_id=None, same_meaning=True, merged="the azure blue key",
        others=[{"submission_id": 1, "same_meaning": True}],
    )  # fmt: skip
    assert play.last.derived["answer"] == "the azure blue key"
    assert play.last.needs == ("distractor_proposals",)


def test_a_proposal_that_comes_after_an_answer_is_compared_with_it():
    play = fgqa(question_checked=True, proposals=())
    answer(play, "ann")
    assert play.last.needs == ("answer_proposals",)
    play.view = replace(play.view, proposals=(Proposal(1, "answer", "the blue key"),))
    play.step()
    assert play.wanted() == [("blind_answer", None, None), ("compare", None, "ann")]
    assert play.last.needs == ()


def test_nobody_answers_twice_or_after_having_seen_an_answer():
    play = fgqa(question_checked=True)
    waiting = play.view.open_slots[1]
    answer(play, "ann")
    assert "ann" not in waiting.not_users
    assert not may_take(waiting, "ann", play.submissions), "the slot was opened before ann answered the other one"
    assert may_take(waiting, "ben", play.submissions)
    compared = SubmissionView(9, "cem", "compare", play.submissions[0].payload)
    assert not may_take(waiting, "cem", [*play.submissions, compared]), "who has seen an answer is not blind"
    (mine,) = [slot for slot in play.view.open_slots if slot.step == "compare"]
    assert may_take(mine, "ann", play.submissions)
    assert not may_take(mine, "ben", play.submissions)


def test_different_meanings_bring_a_third_person_and_then_an_expert():
    play = fgqa(question_checked=True)
    for user, text in (("ann", "the blue key"), ("ben", "the hammer")):
        answer(play, user, text)
    compare(play, "ann")
    compare(play, "ben", same=False, others=[{"submission_id": 1, "same_meaning": False}])
    assert play.wanted() == [("blind_answer", None, None)]
    answer(play, "cem", "the drum")
    compare(play, "cem", same=False)
    (slot,) = play.view.open_slots
    assert (slot.step, slot.role, slot.about, slot.reason) == ("expert", "expert", "blind_answer", "disagreement")
    assert slot.not_users == {"ann", "ben", "cem"}
    assert (play.view.state, play.events) == ("escalated", ["contest", "escalate"])
    play.submit(
        "eve", "expert", answer="the blue key", rationale="It is the only one that turns.", reason="seen", cites=[1]
    )
    assert (play.view.state, play.events[2:]) == ("open", ["adjudicate", "open"])
    judged(play)
    assert play.view.state == "accepted", "an expert has the last word: no review"


def test_a_contradiction_in_what_people_compared_goes_to_an_expert():
    play = fgqa(question_checked=True)
    answer(play, "ann", "blue")
    answer(play, "ben", "dark blue")
    compare(play, "ann")
    compare(play, "ben", same=True, others=[{"submission_id": 1, "same_meaning": False}])
    assert [slot.step for slot in play.view.open_slots] == ["expert"]


def test_an_unsure_answer_does_not_count_towards_agreement():
    play = fgqa(question_checked=True)
    answer(play, "ann")
    answer(play, "ben", unsure=True)
    compare(play, "ann")
    compare(play, "ben")
    assert play.wanted() == [("blind_answer", None, None)]
    answer(play, "cem")
    compare(play, "cem")
    assert play.last.derived["answer"] == "blue key"


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        (["valid", "valid"], "answering"),
        (["invalid", "invalid"], "discarded"),
        (["valid", "invalid"], "third"),
        (["valid", "invalid", "valid"], "answering"),
        (["valid", "invalid", "invalid"], "discarded"),
        (["valid", "invalid", "fixable"], "expert"),
        (["fixable", "fixable"], "answering"),
        (["fixable", "fixable other"], "expert"),
    ],
)
def test_question_check(verdicts, outcome):
    play = fgqa()
    for user, verdict in zip("abc", verdicts, strict=False):
        extra = {"reason": "ambiguous"} if verdict == "invalid" else {}
        if verdict.startswith("fixable"):
            extra = {"question": "Which key spins?" if verdict == "fixable" else "Which of the keys spins?"}
        play.submit(user, "question_check", verdict=verdict.split()[0], **extra)
    steps = {slot.step for slot in play.view.open_slots}
    found = {"blind_answer": "answering", "expert": "expert", "question_check": "third"}
    assert (found[steps.pop()] if steps else play.view.state) == outcome
    if outcome == "discarded":
        assert play.last.derived["discarded"] == "ambiguous"
    if verdicts == ["fixable", "fixable"]:
        assert play.last.derived["question"] == "Which key spins?"


def test_split_people_wait_for_the_engine_and_follow_it():
    view = fgqa().view
    given = [("a", {"verdict": "valid"}), ("b", {"verdict": "invalid", "reason": "leading"})]
    record = [
        SubmissionView(number, user, "question_check", validate_payload("question_check", payload, CONTEXT))
        for number, (user, payload) in enumerate(given, 1)
    ]

    def wanted(*decision, **more):
        decisions = {"question_check": Decision(*decision, **more)} if decision else {}
        found = advance(replace(view, open_slots=(), decisions=decisions), record, POLICY)
        return [slot.step for slot in found.new_steps], found.events, found.derived

    assert wanted()[:2] == ([], ()), "nobody is asked before the engine has said whom"
    assert wanted("another_label", num_given=2)[0] == ["question_check"]
    assert wanted("another_label", num_given=1)[0] == [], "it did not know of the second one yet"
    assert wanted("accept", "valid")[0] == ["blind_answer"] * 2
    assert wanted("accept", "invalid")[2]["discarded"] == "leading"
    steps, events, derived = wanted("escalate", reason="posterior")
    assert (steps, events, derived["escalated"]) == (["expert"], ("contest", "escalate"), "posterior")
    assert wanted("accept", "fixable")[0] == ["expert"], "what nobody said is no verdict of theirs"


def test_people_who_are_split_over_two_rounds_call_an_expert():
    """More are asked since the item was reopened: the engine weighs each round's step by itself and sees no split."""
    play = fgqa(Policy(question_checks=3), state="open", round=1)
    payloads = ({"verdict": "valid"}, {"verdict": "invalid", "reason": "leading"})
    said = [validate_payload("question_check", payload, CONTEXT) for payload in payloads]
    play.submissions = [
        SubmissionView(number, user, "question_check", said[number == 3], round=int(number == 3))
        for number, user in enumerate("abc", start=1)
    ]
    found = advance(play.view, play.submissions, play.policy)
    assert [(slot.step, slot.about) for slot in found.new_steps] == [("expert", "question_check")]


def test_an_expert_discards_a_question():
    play = fgqa()
    for user, verdict in (("a", "valid"), ("b", "invalid"), ("c", "fixable")):
        extra = {"invalid": {"reason": "leading"}, "fixable": {"question": "Which?"}}.get(verdict, {})
        play.submit(user, "question_check", verdict=verdict, **extra)
    play.submit("eve", "expert", verdict="invalid", rationale="Not in view.", reason="not_visible")
    assert (play.view.state, play.events[-2:]) == ("discarded", ["adjudicate", "discard"])


@pytest.mark.parametrize(
    ("verdicts", "unsure", "status"),
    [
        (("certainly_false", "certainly_false"), False, "certainly_false"),
        (("could_be_true", "nonsense"), False, "could_be_true"),
        (("nonsense", "nonsense"), False, "nonsense"),
        (("certainly_false", "could_be_true"), False, "expert"),
        (("certainly_false", "certainly_false"), True, "expert"),
    ],
)
def test_distractors(verdicts, unsure, status):
    play = fgqa()
    agreed_answer(play)
    for user, verdict in zip(("ann", "cem"), verdicts, strict=True):
        play.submit(user, "distractor", 2, distractor_id=2, verdict=verdict, unsure=unsure)
    experts = [slot for slot in play.view.open_slots if slot.step == "expert"]
    if status == "expert":
        assert [(slot.subject, slot.about) for slot in experts] == [(2, "distractor")]
    else:
        assert not experts
        assert play.last.derived["distractors"]["2"] == status


def test_distractors_that_repeat_the_answer_or_each_other_are_not_judged():
    extra = (Proposal(4, "distractor", "A blue key."), Proposal(5, "distractor", "red key"))
    play = fgqa()
    play.view = replace(play.view, proposals=(*play.view.proposals, *extra))
    agreed_answer(play)
    assert {slot.subject for slot in play.view.open_slots} == {2, 3}
    assert play.last.derived["distractors"] == {"2": "open", "3": "open", "4": "same_as_answer", "5": "repeated"}


def checked(play, asked, told, about_what=None):
    check = TextOnlyCheck(about_what or about("Which key turns?", "blue key"), frozenset(asked), frozenset(told))
    play.view = replace(play.view, text_only=(*play.view.text_only, check))
    play.step()


def test_too_few_distractors_and_the_text_only_filter_ask_the_server_for_more():
    play = fgqa(Policy(use_text_only=True))
    agreed_answer(play)
    judged(play)
    assert (play.view.state, play.last.needs) == ("open", ("text_only",))
    checked(play, [2, 3], [], about("Which key turns?", "another answer"))
    assert play.last.needs == ("text_only",), "of another answer it says nothing"
    checked(play, [2, 3], [3])
    assert play.last.needs == ("distractor_proposals",)
    assert play.last.derived["distractors"]["3"] == "told_without_video"
    play.view = replace(play.view, proposals=(*play.view.proposals, Proposal(4, "distractor", "the pink key")))
    play.step()
    assert play.last.needs == (), "people judge the new one"
    for user in ("ann", "cem"):
        play.submit(user, "distractor", 4, distractor_id=4, verdict="certainly_false")
    assert play.last.needs == ("text_only",), "the new one has to be asked about as well"
    checked(play, [2, 4], [])
    assert (play.view.state, play.last.needs) == ("agreed", ())
    play.submit("dia", "review", verdict="accept")
    assert [set(pair["options"]) for pair in play.last.derived["groups"]] == [
        {"blue key", "the red key"}, {"blue key", "the pink key"},
    ]  # fmt: skip


def test_an_item_whose_distractors_are_told_again_and_again_is_discarded():
    play = fgqa(Policy(use_text_only=True, most_text_only=2))
    agreed_answer(play)
    judged(play)
    checked(play, [2, 3], [2])
    assert play.last.needs == ("distractor_proposals",)
    checked(play, [3], [3])
    assert (play.view.state, play.last.needs) == ("discarded", ())
    assert play.last.derived["discarded"] == "answerable_without_video"


def test_rework_begins_a_new_round_with_other_people_and_ends_with_an_expert():
    play = fgqa()
    agreed_answer(play)
    judged(play)
    play.submit("dia", "review", verdict="rework", reasons=["wrong_interval"])
    assert (play.view.state, play.view.round) == ("open", 1)
    assert play.wanted() == [("blind_answer", None, None)] * 2
    assert all({"ann", "ben"} <= slot.not_users for slot in play.view.open_slots)
    for user in ("fay", "gus"):
        answer(play, user, "the blue key turns")
    for user in ("fay", "gus"):
        compare(play, user)
    assert [slot.step for slot in play.view.open_slots] == ["review"], "distractors stay judged"
    play.submit("hal", "review", verdict="rework", reasons=["wrong_interval"])
    (slot,) = play.view.open_slots
    assert (slot.step, slot.reason) == ("expert", "rework_limit")
    play.submit("eve", "expert", answer="the blue key", rationale="So it is.", reason="seen")
    assert play.view.state == "accepted"


def test_a_review_may_reject():
    play = fgqa()
    agreed_answer(play)
    judged(play)
    play.submit("dia", "review", verdict="reject", reasons=["not_visible"])
    assert (play.view.state, play.last.derived["discarded"]) == ("discarded", "not_visible")


def test_an_audit_brings_an_expert_after_agreement():
    play = fgqa(question_checked=True, expert_reason="audit")
    for user in ("ann", "ben"):
        answer(play, user)
    for user in ("ann", "ben"):
        compare(play, user)
    (slot,) = play.view.open_slots
    assert (slot.step, slot.reason, play.view.state) == ("expert", "audit", "escalated")


def test_the_ceiling_gives_each_pair_to_another_fresh_person():
    play = fgqa()
    agreed_answer(play)
    judged(play)
    play.submit("dia", "review", verdict="accept")
    assert not play.view.open_slots
    play.view = replace(play.view, in_ceiling_sample=True)
    play.step()
    assert play.wanted() == [("ceiling", 0, None), ("ceiling", 1, None)]
    for policy in (Policy(first_labels=3), Policy(distractor_judges=3)):
        found = advance(play.view, play.submissions, policy)
        assert (found.closed, found.derived) == ((), {}), "it stays as it was accepted, whatever is asked of others now"
    play.submit("ida", "ceiling", 0, choice=1)
    fresh = advance(replace(play.view, open_slots=()), play.submissions, POLICY).new_steps
    assert [(slot.subject, "ida" in slot.not_users, "ann" in slot.not_users) for slot in fresh] == [(1, True, True)]
    # Reopened and accepted anew: what was answered of the pairs before was answered of something else.
    again = replace(play.view, round=1, open_slots=())
    anew = tuple(replace(item, round=1) for item in play.submissions if item.step != "ceiling")
    reopened = advance(again, [*anew, *(item for item in play.submissions if item.step == "ceiling")], POLICY).new_steps
    assert [(slot.subject, "ida" in slot.not_users) for slot in reopened] == [(0, True), (1, True)]


def choices(**changes):
    base = ItemView(
        key="c", kind="choice", mode="blind_first", state="open", question="Where?", options=("left", "right", "up"),
    )  # fmt: skip
    play = Play(replace(base, **changes))
    play.step()
    return play


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ([(0, False), (0, False)], "accepted"),
        ([(0, False), (1, False)], "expert"),
        ([(0, True), (0, False)], "choice"),
        ([(0, True), (0, False), (0, False)], "accepted"),
        ([(0, True), (0, False), (1, False)], "expert"),
        ([(0, True), (0, True), (0, False)], "expert"),
    ],
)
def test_choices_by_the_flows_own_rule(given, outcome):
    play = choices()
    for user, (choice, unsure) in zip("abc", given, strict=False):
        play.submit(user, "choice", choice=choice, unsure=unsure)
    steps = {slot.step for slot in play.view.open_slots}
    assert (steps.pop() if steps else play.view.state) == outcome
    if outcome == "accepted":
        assert play.events == ["agree", "accept"]
        assert play.last.derived["choice"] == 0


def test_choices_by_the_quality_engines_decision():
    play = choices()
    play.submit("a", "choice", choice=0)
    play.submit("b", "choice", choice=1)
    assert play.view.state == "escalated"
    play = choices(decisions={"choice": Decision("another_label")})
    for number, user in enumerate("abcde"):
        play.submit(user, "choice", choice=number % 2)
    assert [slot.step for slot in play.view.open_slots] == ["expert"], "never more than most_labels"
    play = choices(decisions={"choice": Decision("another_label", num_labels=2, num_given=0)})
    assert len(play.view.open_slots) == 2, "as many as the engine asks for"
    play = choices(decisions={"choice": Decision("accept", "1")})
    assert play.view.state == "accepted"
    assert play.last.derived["choice"] == 1


def test_what_an_expert_has_stays_with_the_expert():
    play = choices()
    play.submit("a", "choice", choice=0)
    play.submit("b", "choice", choice=1)
    play.view = replace(play.view, decisions={"choice": Decision("accept", "1")})
    play.step()
    assert [slot.step for slot in play.view.open_slots] == ["expert"]
    play.submit("eve", "expert", choice=0, rationale="It goes left.", reason="seen")
    assert (play.view.state, play.last.derived["choice"]) == ("accepted", 0)


def test_what_is_asked_anew_is_not_answered_by_an_earlier_ruling():
    play = choices()
    play.submit("a", "choice", choice=0)
    play.submit("b", "choice", choice=1)
    play.submit("eve", "expert", choice=0, rationale="It goes left.", reason="seen")
    assert play.view.state == "accepted"
    play.view = replace(play.view, state="open", round=1, open_slots=())
    play.step()
    assert play.view.state == "open"
    assert play.wanted() == [("choice", None, None)] * 2


def test_in_verify_mode_equal_answers_need_no_comparing():
    play = fgqa(mode="verify", question_checked=True)
    answer(play, "ann", "the blue key")
    answer(play, "ben", "The blue key.")
    assert {slot.step for slot in play.view.open_slots} == {"distractor"}
    play = fgqa(mode="verify", question_checked=True)
    answer(play, "ann", "the blue key")
    answer(play, "ben", "the hammer")
    assert play.wanted() == [("compare", None, "ben")]


@pytest.mark.parametrize(
    "state", ["ingested", "proposed", "screened", "verified", "discarded", "superseded", "reopened"]
)
def test_from_other_states_nothing_is_moved(state):
    play = fgqa()
    found = advance(replace(play.view, state=state, open_slots=()), (), POLICY)
    assert not found.new_steps
    assert not found.events


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_people_say_an_item_ends_and_nobody_reviews_own_work(data):
    play = fgqa()
    people = [f"p{number}" for number in range(30)]
    for _ in range(80):
        if not play.view.open_slots:
            break
        slot: SlotRequest = data.draw(st.sampled_from(play.view.open_slots))
        able = [user for user in people if may_take(slot, user, play.submissions)]
        user = data.draw(st.sampled_from(able))
        mine = [item for item in play.submissions if item.user == user]
        if slot.step == "review":
            assert not mine
        if slot.step == "expert":
            assert {item.step for item in mine} <= {"expert"}
        assert (
            slot.step == "expert"
            or not [item for item in mine if (item.step, item.subject) == slot.work[:2]]
            or (slot.only_user == user)
        )
        play.submit(user, slot.step, slot.subject, **drawn_payload(data, play, slot, user))
    assert not play.view.open_slots, "more than 80 submissions on one item"
    assert play.view.state in ("accepted", "discarded") or play.last.needs == ("distractor_proposals",)
    for state in list(play.events):
        assert state in {event for _, event in MOVES}


def drawn_payload(data, play, slot, user):
    unsure = data.draw(st.integers(0, 5)) == 0
    if slot.step == "question_check":
        return data.draw(st.sampled_from([
            {"verdict": "valid", "unsure": unsure}, {"verdict": "valid"},
            {"verdict": "fixable", "question": "Which key spins?"}, {"verdict": "invalid", "reason": "leading"},
        ]))  # fmt: skip
    if slot.step == "blind_answer":
        return {"answer": data.draw(st.sampled_from(["blue", "the blue key", "hammer"])), "unsure": unsure,
                "evidence": {"start": 0, "end": data.draw(st.integers(1, 100))}}  # fmt: skip
    if slot.step == "compare":
        others = [item.id for item in play.submissions if item.step == "blind_answer" and item.user != user]
        said = [{"submission_id": number, "same_meaning": data.draw(st.booleans())} for number in others]
        return {"proposal_id": 1, "same_meaning": data.draw(st.booleans()), "others": said}
    if slot.step == "distractor":
        verdict = data.draw(st.sampled_from(["certainly_false", "certainly_false", "could_be_true", "nonsense"]))
        return {"distractor_id": slot.subject, "verdict": verdict, "unsure": unsure}
    if slot.step == "review":
        verdict = data.draw(st.sampled_from(["accept", "rework", "reject"]))
        return {"verdict": verdict, "reasons": [] if verdict == "accept" else ["why"]}
    values = {"question_check": {"verdict": "valid"}, "blind_answer": {"answer": "the blue key"},
              "distractor": {"verdict": "certainly_false"}}[slot.about]  # fmt: skip
    return {**values, "rationale": "Seen.", "reason": "seen"}

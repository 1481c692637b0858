"""Groups, the text-only filter, give-aways: what makes a binary question a fair one."""

import pytest

from perceptlm.annotate.fgqa.give_aways import BlindBiasCounter, give_aways
from perceptlm.annotate.fgqa.groups import binary_group
from perceptlm.annotate.fgqa.text_only import (
    PairCount,
    are_readable,
    ask_text_only,
    judge_text_only,
    prompts_of,
)
from perceptlm.clients.scripted import ScriptedClient
from perceptlm.errors import DataError

DISTRACTORS = ("the red key", "the green key", "the hammer")


def group(key="item-1", distractors=DISTRACTORS):
    return binary_group(key, "Which thing turns?", "the blue key", distractors)


def test_groups_hold_the_answer_in_every_pair_and_do_not_depend_on_the_other_pairs():
    pairs = group()
    assert [pair.uid for pair in pairs] == ["item-1.0", "item-1.1", "item-1.2"]
    assert {pair.qa_uid for pair in pairs} == {"item-1"}
    for pair, text in zip(pairs, DISTRACTORS, strict=True):
        assert pair.options[pair.answer_index] == "the blue key"
        assert pair.options[1 - pair.answer_index] == text
    assert [pair.options for pair in group(distractors=DISTRACTORS[1:])] == [pair.options for pair in pairs[1:]]
    assert group() == pairs


def test_the_place_of_the_answer_tells_nothing():
    places = [pair.answer_index for number in range(400) for pair in group(f"item-{number}")]
    assert 0.45 < sum(places) / len(places) < 0.55


@pytest.mark.parametrize("wrong", [(), ("The blue key.",), ("the red key", "Red key")])
def test_a_group_of_nothing_or_of_the_same_text_is_refused(wrong):
    with pytest.raises(DataError, match="item-1"):
        group(distractors=wrong)


def sees_right(request):
    """A model that knows the answer from the text alone."""
    lines = request.turns[0].text.splitlines()
    return next(line.strip("(")[0] for line in lines if line.endswith("the blue key"))


def test_a_set_that_a_model_solves_without_video_is_rejected():
    (found,) = ask_text_only(ScriptedClient(sees_right), [("item-1", group())])
    assert found.counts == (PairCount(4, 4),) * 3
    verdict = judge_text_only(found.counts)
    assert (verdict.is_rejected, verdict.told) == (True, (0, 1, 2))
    assert verdict.p_value == pytest.approx(2**-12)


def test_of_a_rejected_set_the_pairs_are_told_that_were_right_more_often_than_not():
    counts = [PairCount(4, 4), PairCount(4, 2), PairCount(4, 4)]
    assert judge_text_only(counts).told == (0, 2)
    assert judge_text_only(counts, alpha=0.01).told == (), "ten of twelve come about by guessing once in fifty times"
    assert judge_text_only([PairCount(4, 4)]).told == (), "four replies about one pair say nothing"


@pytest.mark.parametrize("reply", ["A", "b.", "(B)", "**A**", "B\nas it is"])
def test_a_model_with_a_favourite_letter_solves_nothing(reply):
    (found,) = ask_text_only(ScriptedClient(lambda request: reply), [("item-1", group())])
    assert found.counts == (PairCount(4, 2),) * 3
    assert not judge_text_only(found.counts).is_rejected


def test_the_filter_shows_no_video_and_asks_both_orders():
    seen = []

    def reply(request):
        seen.append(request)
        return "A"

    sets = [(key, group(key)) for key in ("item-1", "item-2")]
    assert [replies.key for replies in ask_text_only(ScriptedClient(reply), sets)] == ["item-1", "item-2"]
    assert [request.turns[0].text for request in seen[:12]] == prompts_of(group())
    del seen[12:]
    assert all(not request.media for request in seen)
    assert len({request.id for request in seen}) == len(seen) == 12
    firsts = [request.turns[0].text.index("the blue key") < request.turns[0].text.index("the red key")
              for request in seen[:4]]  # fmt: skip
    assert sorted(firsts) == [False, False, True, True]


@pytest.mark.parametrize("reply", ["I cannot tell", "", "An answer", "About B", "A question about it"])
def test_a_model_that_names_no_letter_passes_nothing(reply):
    (found,) = ask_text_only(ScriptedClient(lambda request: reply), [("item-1", group())])
    assert found.num_unreadable == 12
    assert not are_readable(found.counts, found.num_unreadable)


def test_a_model_that_fails_passes_nothing():
    (found,) = ask_text_only(ScriptedClient({}), [("item-1", group())])
    assert "no answer is scripted" in found.failure
    with pytest.raises(DataError, match="at least one pair"):
        list(ask_text_only(ScriptedClient({}), [("item-1", ())]))


@pytest.mark.parametrize(
    ("answer", "distractors", "codes"),
    [
        ("the blue key", ("the red key", "the hammer"), set()),
        ("the blue key that lies beside the drum", ("the red key", "a hammer"), {"longest"}),
        ("a key", ("the red key that lies there", "the hammer near the drum"), {"shortest"}),
        ("The key.", ("the hammer", "the drum"), {"form"}),
        ("it turns left", ("it goes up", "it jumps"), {"question_words"}),
        ("it goes up", ("it never goes up", "it always falls"), {"absolutes"}),
    ],
)
def test_give_aways(answer, distractors, codes):
    assert {item.code for item in give_aways("What turns?", answer, distractors)} == codes


def bias_of(groups):
    counter = BlindBiasCounter()
    for pairs in groups:
        counter.add(pairs)
    return counter.result()


def test_rules_that_see_no_video_are_scored_over_all_pairs():
    fair = bias_of(group(f"item-{number}", ("the red key", "the big drum")) for number in range(50))
    assert (fair.num_questions, fair.give_aways, fair.rules["longest"].num_pairs) == (50, {}, 0)
    long = bias_of(binary_group(f"k{number}", "What?", "a very long answer", ("no",)) for number in range(50))
    assert (long.rules["longest"].num_right, long.rules["shortest"].num_right) == (50, 0)
    assert long.rules["longest"].p_value < 1e-9
    assert long.rules["first_option"].p_value > 0.001
    assert long.give_aways == {"longest": 50}
    assert bias_of([]).rules["longest"].p_value == 1


def test_a_test_of_many_questions_is_scored_as_well():
    groups = (group(f"item-{number}", ("the red key", "a bell")) for number in range(1000))
    first = bias_of(groups).rules["first_option"]
    assert first.num_pairs == 2000
    assert 0.001 < first.p_value < 1

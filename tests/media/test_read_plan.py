"""Reading on or jumping: the plan covers every wanted picture and never costs more than reading straight through."""

from hypothesis import given
from hypothesis import strategies as st

from perceptlm.media.read_plan import SEEK_COST_PICTURES, plan_runs

WANTED = st.lists(st.integers(0, 500), min_size=1, unique=True).map(sorted)
KEYFRAMES = st.lists(st.integers(1, 500), unique=True).map(lambda later: [0, *sorted(later)])


def cost(runs) -> int:
    decoded = sum(run.wanted[-1] + 1 - run.start for run in runs)
    return decoded + SEEK_COST_PICTURES * sum(run.start > 0 for run in runs)


@given(WANTED, KEYFRAMES, st.sampled_from(["cheapest", "linear", "seek"]))
def test_every_wanted_picture_is_read_once_from_a_keyframe_before_it(wanted, keyframes, strategy):
    runs = plan_runs(wanted, keyframes, strategy)
    assert [index for run in runs for index in run.wanted] == wanted
    assert all(run.start in keyframes and run.start <= run.wanted[0] for run in runs)


@given(WANTED, KEYFRAMES)
def test_cheapest_is_no_dearer_than_either(wanted, keyframes):
    cheapest = cost(plan_runs(wanted, keyframes))
    assert cheapest <= cost(plan_runs(wanted, keyframes, "linear"))
    assert cheapest <= cost(plan_runs(wanted, keyframes, "seek"))


def test_examples():
    starts = {strategy: [run.start for run in plan_runs([0, 90, 400], [0, 3, 250], strategy)]
              for strategy in ("cheapest", "linear", "seek")}  # fmt: skip
    assert starts == {"cheapest": [0, 250], "linear": [0], "seek": [0, 3, 250]}
    assert [run.start for run in plan_runs([300], [0, 250])] == [250]

import math

import pytest

from perceptlm.errors import DataError
from perceptlm.statistics import Part, cluster_means
from perceptlm.statistics.standard_errors import (
    clustered_standard_error,
    naive_standard_error,
    weighted_standard_error,
)

SCORES, CLUSTERS = [1, 1, 0, 0, 1, 0], list("aabbcc")


def test_worked_examples() -> None:
    assert naive_standard_error(SCORES) == pytest.approx(0.223606798)
    assert clustered_standard_error(SCORES, CLUSTERS, "rows") == pytest.approx(0.252762515)
    assert clustered_standard_error(SCORES, CLUSTERS, "none") == pytest.approx(0.23570226)


def test_ours_is_the_plain_sandwich_with_a_factor_for_few_clusters() -> None:
    ours = cluster_means([Part(SCORES, CLUSTERS)]).standard_error
    assert ours == pytest.approx(0.23570226 * math.sqrt(3 / 2))


def test_clusters_of_one_give_the_naive_error() -> None:
    alone = [str(n) for n in range(6)]
    assert clustered_standard_error(SCORES, alone, "rows") == pytest.approx(naive_standard_error(SCORES))
    assert cluster_means([Part(SCORES, alone)]).standard_error == pytest.approx(naive_standard_error(SCORES))


def test_opposite_scores_in_each_cluster_cancel() -> None:
    # Residuals of +-1/2: every cluster's sum is 0, and only s^2 / n less its own squares over n^2 is left.
    assert clustered_standard_error([1, 0, 1, 0], list("aabb"), "none") == 0
    assert clustered_standard_error([1, 0, 1, 0], list("aabb"), "rows") == pytest.approx((1 / 12 - 1 / 16) ** 0.5)


def test_weighted_sum() -> None:
    assert weighted_standard_error([3, 4], [1, 1]) == 5


def test_too_little_is_refused() -> None:
    with pytest.raises(DataError, match="two values"):
        naive_standard_error([1])
    with pytest.raises(DataError, match="2 values but 1 cluster"):
        clustered_standard_error([1, 0], ["a"], "none")

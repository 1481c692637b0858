"""How sure a number is: intervals of scores, and of the difference between two systems on the same items."""

from perceptlm.statistics.cluster_means import Part, Values, cluster_means
from perceptlm.statistics.intervals import (
    METHOD,
    Interval,
    bootstrap_interval,
    bootstrap_interval_of_sum,
    wilson_interval,
)
from perceptlm.statistics.paired import (
    PairedResult,
    difference_part,
    error_of_difference,
    mcnemar_exact,
    minimum_detectable_difference,
    paired_difference,
    paired_difference_of_sum,
)

__all__ = [
    "METHOD",
    "Interval",
    "PairedResult",
    "Part",
    "Values",
    "bootstrap_interval",
    "bootstrap_interval_of_sum",
    "cluster_means",
    "difference_part",
    "error_of_difference",
    "mcnemar_exact",
    "minimum_detectable_difference",
    "paired_difference",
    "paired_difference_of_sum",
    "wilson_interval",
]

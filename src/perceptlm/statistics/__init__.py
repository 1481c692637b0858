"""How sure a number is: intervals of scores, and of the difference between two systems on the same items."""

from perceptlm.statistics.agreement import Agreement, agreement_by_group, krippendorff_alpha
from perceptlm.statistics.binomial import (
    beta_quantile,
    binomial_upper_tail,
    clopper_pearson_interval,
    clopper_pearson_lower,
    clopper_pearson_upper,
)
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
    "Agreement",
    "Interval",
    "PairedResult",
    "Part",
    "Values",
    "agreement_by_group",
    "beta_quantile",
    "binomial_upper_tail",
    "bootstrap_interval",
    "bootstrap_interval_of_sum",
    "clopper_pearson_interval",
    "clopper_pearson_lower",
    "clopper_pearson_upper",
    "cluster_means",
    "difference_part",
    "error_of_difference",
    "krippendorff_alpha",
    "mcnemar_exact",
    "minimum_detectable_difference",
    "paired_difference",
    "paired_difference_of_sum",
    "wilson_interval",
]

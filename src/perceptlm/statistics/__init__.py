"""How sure a number is: intervals of scores, and of the difference between two systems on the same items."""

from perceptlm.statistics.intervals import Interval, bootstrap_interval, wilson_interval
from perceptlm.statistics.paired import PairedResult, paired_difference

__all__ = ["Interval", "PairedResult", "bootstrap_interval", "paired_difference", "wilson_interval"]

"""Every row goes to one process, and none has much more to do than another."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perceptlm.train.sharing_out import share_out


@given(st.lists(st.floats(0, 1e6), max_size=60), st.integers(1, 9))
def test_every_item_is_in_one_share(costs: list[float], num_shares: int) -> None:
    shares = share_out(costs, num_shares)
    assert len(shares) == num_shares
    assert sorted(item for share in shares for item in share) == list(range(len(costs)))
    assert all(share == sorted(share) for share in shares)


def test_uneven_costs_are_balanced() -> None:
    costs = np.random.default_rng(0).lognormal(0, 1, 16 * 8).tolist()
    totals = [sum(costs[item] for item in share) for share in share_out(costs, 8)]
    assert max(totals) / (sum(totals) / 8) < 1.05

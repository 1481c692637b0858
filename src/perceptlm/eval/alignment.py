"""The one dynamic programme that SODA_c and the fact judge share: matching two ordered lists in order.

It knows nothing of what is matched.
"""

from __future__ import annotations

from collections.abc import Sequence


def best_ordered_total(weights: Sequence[Sequence[float]]) -> float:
    """Return the greatest total weight of a one-to-one matching of rows to columns that keeps both orders.

    With D[i][j] the best total of the first i rows and j columns, D[i][j] is the largest of D[i-1][j] (row i stays
    alone), D[i][j-1] (column j stays alone) and D[i-1][j-1] + weight of (i, j). Weights must not be negative.
    An empty list on either side gives 0.
    """
    num_columns = len(weights[0]) if weights else 0
    previous = [0.0] * (num_columns + 1)
    for row in weights:
        current = [0.0]
        for column, weight in enumerate(row):
            current.append(max(previous[column + 1], current[column], previous[column] + weight))
        previous = current
    return previous[-1]

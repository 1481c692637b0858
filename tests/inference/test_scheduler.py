from hypothesis import given
from hypothesis import strategies as st

from perceptlm.inference.scheduler import batches_by_length, windows


@given(st.integers(0, 50), st.integers(1, 9))
def test_windows_cover_every_request_once_in_order(num_requests, window):
    found = list(windows(num_requests, window))
    assert [i for part in found for i in part] == list(range(num_requests))
    assert all(0 < len(part) <= window for part in found)


@given(st.lists(st.integers(1, 5)), st.integers(1, 4))
def test_batches_hold_every_request_once_short_ones_first(lengths, batch_size):
    found = batches_by_length(dict(enumerate(lengths)), batch_size)
    order = [i for batch in found for i in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert order == sorted(order, key=lambda i: (lengths[i], i))
    assert all(len(batch) == batch_size for batch in found[:-1])

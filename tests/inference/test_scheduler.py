import random

import pytest

from perceptlm.inference.scheduler import Work, batches_of_like


@pytest.fixture(params=range(30))
def work(request):
    rng = random.Random(request.param)
    return [
        Work(rng.choice([4, 16, 320]), rng.randrange(4), rng.choice([10, 300]), rng.randrange(70))
        for _ in range(rng.randrange(40))
    ]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_batches_hold_every_request_once(work, batch_size):
    found = batches_of_like(work, batch_size)
    assert sorted(number for batch in found for number in batch) == list(range(len(work)))
    assert all(0 < len(batch) <= batch_size for batch in found)


def test_nobody_waits_long_or_is_padded_much(work):
    for batch in batches_of_like(work, 8):
        limits = [work[number].max_new_tokens for number in batch]
        assert max(limits) <= 2 * min(limits)
        lengths = [work[number].num_own for number in batch]
        assert max(lengths) - min(lengths) < 48
        assert len({work[number].num_shared for number in batch}) == 1


def test_those_of_one_prefix_stand_together_in_order_of_first_mention():
    work = [Work(16, prefix, 300, 20) for prefix in "babacb"]
    assert batches_of_like(work, 3) == [[0, 2, 5], [1, 3, 4]]

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.bag_kernels import bag_sums

N_ROWS, WIDTH = 7, 5


@settings(max_examples=40, deadline=None)  # the first example compiles
@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=6), seed=st.integers(0, 100))
def test_sums_and_gradient_are_those_of_the_librarys_bag(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    codes, weights = torch.from_numpy(rng.integers(0, N_ROWS, n)), torch.from_numpy(rng.normal(size=n).astype(np.float32))
    offsets = torch.from_numpy(np.concatenate(([0], np.cumsum(sizes)[:-1])))
    value = torch.from_numpy(rng.normal(size=(N_ROWS, WIDTH)).astype(np.float32))
    incoming = torch.from_numpy(rng.normal(size=(len(sizes), WIDTH)).astype(np.float32))
    mine, theirs = (value.clone().requires_grad_() for _ in range(2))
    found = bag_sums(mine, codes, offsets, weights)
    wanted = torch.nn.functional.embedding_bag(codes, theirs, offsets, mode="sum", per_sample_weights=weights)
    np.testing.assert_allclose(found.detach(), wanted.detach(), rtol=1e-5, atol=1e-6)
    for sums in (found, wanted):
        (sums * incoming).sum().backward()  # type: ignore[no-untyped-call]
    assert mine.grad is not None
    assert theirs.grad is not None
    np.testing.assert_allclose(mine.grad, theirs.grad, rtol=1e-5, atol=1e-6)

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recall.byte_codes import byte_codes, code_products, query_codes


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 300), st.sampled_from([1e-20, 1e-3, 1.0, 50.0, 1e10]))
def test_a_product_of_codes_is_within_its_error(seed: int, dim: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    vectors, queries = (rng.standard_normal((n, dim)).astype(np.float32) * np.float32(size) for n in (40, 3))
    vectors[0], queries[0] = 0, np.abs(queries[0]).max() * np.sign(queries[0])
    vectors[1] = np.abs(vectors[1]).max() * np.sign(queries[0])
    codes = byte_codes(vectors)
    given_ = query_codes(queries, codes, float(np.linalg.norm(vectors, axis=1).max()))
    product = code_products(given_.code, given_.scale, codes.code, codes.scale)
    exact = queries.astype(np.float64) @ vectors.astype(np.float64).T
    assert (np.abs(product - exact) <= given_.error[:, None]).all()
    assert (given_.error < 0.05 * np.linalg.norm(queries, axis=1) * np.linalg.norm(vectors, axis=1).max() + 1e-300).all()

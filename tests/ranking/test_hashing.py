import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import UserError
from ranking.hashing import BIAS, HashedTerms

TWO_STYLES = HashedTerms(("user", "style", "style"), (("user", "style"), ("user", "style", "style")), bits=20)


def test_names_follow_columns_and_crosses_and_a_field_of_two_columns_is_crossed_with_each() -> None:
    pairs, triples = 2 * ["user × style"], 4 * ["user × style × style"]
    assert list(TWO_STYLES.names) == [BIAS, "user", "style", "style", *pairs, *triples]
    assert TWO_STYLES.n_terms == len(TWO_STYLES.names)


def test_slots_are_the_same_for_ever() -> None:
    """These numbers are in saved models: they never change."""
    terms = HashedTerms(("user", "song"), (("user", "song"),), bits=24)
    slots, factors = terms.slots(np.array([[0, 0], [7, 123_456]]))
    assert slots.tolist() == [[16380987, 10573646, 11134999, 119050], [16380987, 10795562, 9014666, 10117348]]
    assert (factors == 1).all()


def test_columns_of_one_field_share_their_features_and_fields_do_not() -> None:
    slots, _ = TWO_STYLES.slots(np.array([[5, 5, 9], [5, 9, 5]]))
    assert slots[0, 2] == slots[1, 3]
    assert slots[0, 3] == slots[1, 2]
    assert slots[0, 4] == slots[1, 5]
    assert slots[0, 1] != slots[0, 2]


def test_an_absent_code_takes_its_crosses_with_it() -> None:
    _, factors = TWO_STYLES.slots(np.array([[3, -1, 4]]))
    assert factors.tolist() == [[1, 1, 0, 1, 0, 1, 0, 0, 0, 1]]


def test_a_cross_has_the_product_of_its_values() -> None:
    terms = HashedTerms(("user", "rate"), (("user", "rate"),), bits=10)
    _, factors = terms.slots(np.array([[1, 2], [1, -1]]), np.array([[2.0, 0.5], [2.0, 0.5]], dtype=np.float32))
    assert factors.tolist() == [[1, 2, 0.5, 1], [1, 2, 0, 0]]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30), st.lists(st.tuples(st.integers(-1, 2**62), st.integers(-1, 2**31 - 1)), min_size=1, max_size=30))
def test_slots_lie_in_the_table_and_do_not_depend_on_company(bits: int, rows: list[tuple[int, int]]) -> None:
    terms = HashedTerms(("user", "song"), (("user", "song"), ("song", "user")), bits)
    codes = np.array(rows, dtype=np.int64)
    slots, _ = terms.slots(codes)
    assert ((slots >= 0) & (slots < 2**bits)).all()
    for row in range(len(codes)):
        assert (terms.slots(codes[row : row + 1])[0][0] == slots[row]).all()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(-1, 2**31 - 1), st.integers(-1, 2**31 - 1)), max_size=20))
def test_both_widths_of_codes_hash_alike(rows: list[tuple[int, int]]) -> None:
    terms = HashedTerms(("user", "song"), (("user", "song"),), 24)
    codes = np.array(rows, dtype=np.int64).reshape(-1, 2)
    for wide, narrow in zip(terms.slots(codes), terms.slots(codes.astype(np.int32)), strict=True):
        assert (wide == narrow).all()


def test_slots_are_spread_evenly() -> None:
    terms = HashedTerms(("song",), (), bits=8)
    slots, _ = terms.slots(np.arange(256_000)[:, None])
    times = np.bincount(slots[:, 1], minlength=256)
    assert np.square(times - 1_000).sum() / 1_000 < 330  # chi-squared of 255 degrees: this far out in one case of a thousand


def test_collisions_are_as_many_as_chance_makes() -> None:
    few = HashedTerms(("song",), (), bits=16)
    found = few.collisions(np.arange(20_000)[:, None])
    assert found.n_features == 20_001
    expected = 1 - np.exp(-20_000 / 2**16)
    assert found.shared == pytest.approx(expected, abs=0.02)
    assert found.n_slots < found.n_features
    roomy = HashedTerms(("song",), (), bits=30).collisions(np.array([[1], [1], [2], [-1]]))
    assert roomy == (3, 3, 0.0, 0.0)


@pytest.mark.parametrize(
    ("crosses", "bits", "word"), [((("user", "mood"),), 24, "mood"), ((("user",),), 24, "one field"), ((), 31, "bits"), ((), 0, "bits")]
)
def test_mistakes_are_named(crosses: tuple[tuple[str, ...], ...], bits: int, word: str) -> None:
    with pytest.raises(UserError, match=word):
        HashedTerms(("user", "song"), crosses, bits)


def test_shapes_are_checked() -> None:
    terms = HashedTerms(("user", "song"))
    with pytest.raises(UserError, match="2 columns"):
        terms.slots(np.zeros((3, 1), np.int64))
    with pytest.raises(UserError, match="values"):
        terms.slots(np.zeros((3, 2), np.int64), np.zeros((2, 2), np.float32))

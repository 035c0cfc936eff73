import json
from dataclasses import asdict

import numpy as np
import polars as pl

from recall.profile_features import ProfileSchema

USERS = pl.DataFrame(
    {
        "user_id": ["a", "b", "c", "d"],
        "gender": ["f", "m", "f", None],
        "birth_year": [1980, 1990, None, 2000],
        "signup_at": ["2021-01-01", "2022-06-30", "2023-01-01T10:00:00", None],
        "active": [True, False, True, True],
        "empty": pl.Series([None] * 4, dtype=pl.String),
        "liked": [["x"], [], ["y"], []],
    }
)


def test_codes_of_each_kind_of_column() -> None:
    schema = ProfileSchema.of(USERS)
    assert [column.name for column in schema.columns] == ["active", "birth_year", "gender", "signup_at"]
    codes = schema.encode(USERS)
    assert codes.shape == (4, 4)
    assert codes[:, 2].tolist() == [1, 2, 1, 0]
    assert codes[2, 1] == 0
    assert np.unique(codes[[0, 1, 3], 1]).size == 3
    assert (np.diff(codes[[0, 1, 2], 3]) > 0).all()
    assert codes[3, 3] == 0
    assert (codes < np.array(schema.sizes)).all()


def test_values_not_seen_before_and_columns_that_are_gone_are_unknown() -> None:
    schema = ProfileSchema.of(USERS)
    later = pl.DataFrame({"user_id": ["e"], "gender": ["x"], "birth_year": [2050]})
    codes = schema.encode(later)
    assert codes[0, 0] == codes[0, 2] == codes[0, 3] == 0
    assert codes[0, 1] == schema.sizes[1] - 1


def test_users_without_a_profile() -> None:
    schema = ProfileSchema.of(USERS.select("user_id"))
    assert schema.sizes == ()
    assert schema.encode(USERS).shape == (4, 0)


def test_schema_survives_json() -> None:
    schema = ProfileSchema.of(USERS)
    again = ProfileSchema.from_json(json.loads(json.dumps([asdict(column) for column in schema.columns])))
    assert again == schema
    np.testing.assert_array_equal(again.encode(USERS), schema.encode(USERS))

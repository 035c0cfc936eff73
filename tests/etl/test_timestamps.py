import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.timestamps import unix_seconds, years

DAY_2020 = 1_577_836_800
CASES = [
    ("2020-01-01", DAY_2020),
    ("2020-01-01 10:00:00", DAY_2020 + 36_000),
    ("2020-01-01T10:00Z", DAY_2020 + 36_000),
    ("2020-01-01T10:00:00.999+08:00", DAY_2020 + 7_200),
    ("2020-01-01 10:00:00-0530", DAY_2020 + 55_800),
    ("20200101T100000Z", DAY_2020 + 36_000),
    ("20200101", DAY_2020),
    (" 1400000000 ", 1_400_000_000),
    ("1400000000.9", 1_400_000_000),
    ("1969-12-31T23:59:59", -1),
    ("", None),
    ("yesterday", None),
    ("2020-13-01", None),
    ("2020-02-30", None),
    ("0000-00-00", None),
    ("2020-01-01T25:00:00", None),
    (None, None),
]


@pytest.mark.parametrize(("text", "seconds"), CASES)
def test_text(text: str | None, seconds: int | None) -> None:
    assert unix_seconds(pl.Series([text], dtype=pl.String)).to_list() == [seconds]


@pytest.mark.parametrize(
    ("value", "seconds"), [("2020", DAY_2020), ("2020-01", DAY_2020), (2020, DAY_2020), (1_400_000_000, 1_400_000_000)]
)
def test_a_number_in_a_date_column_may_be_a_year(value: str | int, seconds: int) -> None:
    assert unix_seconds(pl.Series([value]), date=True).to_list() == [seconds]


def test_sql_types() -> None:
    china = dt.timezone(dt.timedelta(hours=8))
    assert unix_seconds(pl.Series([dt.datetime(2020, 1, 1, 8, tzinfo=china)])).to_list() == [DAY_2020]
    assert unix_seconds(pl.Series([dt.datetime(2020, 1, 1), None])).to_list() == [DAY_2020, None]
    assert unix_seconds(pl.Series([dt.date(2020, 1, 1)])).to_list() == [DAY_2020]
    assert unix_seconds(pl.Series([DAY_2020 + 0.9, -0.5])).to_list() == [DAY_2020, -1]
    assert unix_seconds(pl.Series([None, None])).to_list() == [None, None]
    assert unix_seconds(pl.Series([[1], [2]])).to_list() == [None, None]


def test_what_no_calendar_has_is_no_time() -> None:
    values = pl.Series([-62_135_596_801, -62_135_596_800, 253_402_300_799, 253_402_300_800, 2**63 - 1])
    assert unix_seconds(values).to_list() == [None, -62_135_596_800, 253_402_300_799, None, None]
    assert unix_seconds(values.cast(pl.String)).to_list()[:4] == [None, -62_135_596_800, 253_402_300_799, None]


def test_years() -> None:
    assert years(pl.Series(["1994", "1994-05-05", "x", None])).to_list() == [1994, 1994, None, None]
    assert years(pl.Series([1994, None])).to_list() == [1994, None]


@given(st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1), timezones=st.timezones()))
def test_every_iso_time_is_read_as_python_reads_it(moment: dt.datetime) -> None:
    moment = moment.replace(microsecond=0, fold=0)
    offset = moment.utcoffset()
    if offset is None or offset.total_seconds() % 60:
        return
    expected = round((moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).total_seconds())
    assert unix_seconds(pl.Series([moment.isoformat()])).to_list() == [expected]

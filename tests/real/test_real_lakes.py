"""Public data sets through extraction and cleaning."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from etl.behaviours import Behaviour
from etl.imports.registry import run_import
from etl.lake import Lake
from etl.pipeline import build_lake
from etl.report import EtlReport
from etl.rules import CleaningRules
from etl.source import Source


def lake_of(name: str, data_dir: Path, folder: Path) -> tuple[Lake, EtlReport]:
    url = f"sqlite:///{folder}/{name}.db"
    run_import(name, data_dir / name, url)
    return build_lake(Source(url), CleaningRules(), max_rejected=0.05)


@pytest.mark.real_data
def test_thirty_music_has_its_exact_duplicates_set_aside(data_dir: Path, tmp_path: Path) -> None:
    lake, report = lake_of("thirtymusic-sessions", data_dir, tmp_path)
    assert report.rejected["events"] == {"duplicate key": 3205}
    assert report.kept["events"] == 121_547 - 3205
    assert (lake.catalogue.n_users, lake.catalogue.n_songs) == (4620, 57_684)
    assert np.count_nonzero(lake.events.behaviour == Behaviour.PLAY) == report.kept["events"]


@pytest.mark.real_data
def test_film_songs_is_a_catalogue_without_events(data_dir: Path, tmp_path: Path) -> None:
    lake, report = lake_of("film-songs", data_dir, tmp_path)
    assert len(lake.events) == 0
    assert report.entities["song"] == 57_005
    assert report.entities["album"] == 12_672
    film = lake.triples.filter(pl.col("relation") == "SOUNDTRACK_OF")
    assert film.height == report.entities["drama"]
    assert film["valid_from"].null_count() == 0

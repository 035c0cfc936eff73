"""Why a playlist, a video or an mlog is listed, in words."""

import numpy as np
import polars as pl
import pytest

from kg_recall.kinds import extended
from kg_recall.reasons import Language, path_tokens, reasons
from recall.candidates import Paths

KEYS = pl.Series(["song:1", "song:2", "artist:a", "playlist:p", "mv:v"])
NAMES = pl.Series(["Tide", "Harbour", "Ana", "Late", "Harbour MV"])
USERS = pl.Series(["user:u"])
PLAYLIST, MV = np.array([3], np.int32), np.array([4], np.int32)
OWN = Paths.itself(np.array([1], np.int32), np.array([True]))


def words(paths: Paths, kind: str, language: Language = "en") -> str:
    return str(reasons(paths, NAMES, kind, language)[0])


def heard_with(step: str) -> Paths:
    return Paths.one_hop(np.array([0], np.int32), np.array([1], np.int32), step)


def test_a_song_of_the_history_that_the_item_holds() -> None:
    playlist, mv = extended(OWN, PLAYLIST, "IN_PLAYLIST"), extended(OWN, MV, "<MV_OF")
    assert words(playlist, "playlist") == "because you played “Harbour”, which this playlist holds"
    assert words(mv, "mv") == "because you played “Harbour”, whose video is this MV"
    assert words(playlist, "playlist", "zh") == "因为你听过《Harbour》，收录于这份歌单"
    assert path_tokens(playlist, KEYS, USERS)[0].to_list() == ["song:2", "IN_PLAYLIST", "playlist:p"]


def test_the_way_over_facts_to_a_song_goes_on_to_the_item() -> None:
    way = Paths(np.array([[0, 2, 1]], np.int32), np.array([[0, 1]], np.int16), np.array([3], np.int8), ("SUNG_BY", "<SUNG_BY"))
    longer = extended(way, PLAYLIST, "IN_PLAYLIST")
    assert words(longer, "playlist") == "because you played “Tide”, sung by “Ana”, who also sings “Harbour”, which this playlist holds"
    assert path_tokens(longer, KEYS, USERS)[0].to_list() == [
        "song:1", "SUNG_BY", "artist:a", "<SUNG_BY", "song:2", "IN_PLAYLIST", "playlist:p",
    ]  # fmt: skip


@pytest.mark.parametrize("step", ["HEARD_WITH", "HEARD_BY_SIMILAR", "SIMILAR_TO", "PROFILE"])
def test_the_way_of_a_model_names_the_song_that_it_leads_to(step: str) -> None:
    sentence = words(extended(heard_with(step), MV, "<MV_OF"), "mv")
    assert "because" in sentence
    assert sentence.endswith("“Harbour”, whose video is this MV")
    assert ("Tide" in sentence) == (step != "PROFILE")
    assert "《Harbour》" in words(extended(heard_with(step), MV, "<MV_OF"), "mv", "zh")


def test_without_a_way_to_the_song_there_is_none_to_the_item() -> None:
    none = extended(Paths.none(1), PLAYLIST, "IN_PLAYLIST")
    assert none.length.tolist() == [0]
    assert path_tokens(none, KEYS, USERS)[0].to_list() == []

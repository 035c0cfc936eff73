import numpy as np
import polars as pl
from profile_house import DAY, KEYS, START, catalogue, triples

from etl.facets import FACETS, SongFacets


def stated(facets: SongFacets) -> set[tuple[str, str, float]]:
    rows = zip(facets.song, facets.value, facets.weight, strict=True)
    return {(KEYS[song], KEYS[value], float(weight)) for song, value, weight in rows}


def test_every_singer_and_only_facets_of_songs() -> None:
    facets = SongFacets.of(catalogue(), triples())
    own = {(KEYS[song], KEYS[value]) for song, value in zip(facets.song, facets.value, strict=True)}
    assert {("song:1", "artist:x"), ("song:1", "artist:y"), ("song:2", "artist:y")} <= own
    assert len(own) == 10
    assert all(head.startswith("song:") for head, _ in own)
    assert [value for head, value in own if head == "song:1" and value.startswith("album:")] == ["album:b"]
    assert facets.offsets.tolist() == [0, 5, 10, 10]
    assert np.all(np.diff(facets.value[:5]) > 0)


def test_tags_are_facets_by_kind_and_other_kinds_follow() -> None:
    facets = SongFacets.of(catalogue(), triples())
    assert facets.names == (*FACETS, "tempo")
    assert stated(facets.only("tempo")) == {("song:2", "tag:tempo/slow", 0.75)}
    assert stated(facets.only("scene")) == {("song:1", "tag:scene/night", 0.25)}
    assert len(facets.only("mood").value) == 0
    assert facets.code("mood") == -1
    codes = dict(zip(KEYS, facets.facet_of, strict=True))
    assert codes["tag:emotion/calm"] == facets.code("emotion")
    assert codes["song:1"] == codes["mv:m"] == -1


def test_a_fact_is_known_only_from_its_date() -> None:
    facets = SongFacets.of(catalogue(), triples())
    late = START + 5 * DAY
    assert stated(facets.as_of(late)) - stated(facets.as_of(late - 1)) == {("song:1", "tag:scene/night", 0.25)}
    assert facets.as_of(START - 2 * DAY).offsets.tolist() == [0, 4, 8, 8]
    assert stated(facets.timeless().as_of(0)) == stated(facets)


def test_facts_in_any_order_and_none_at_all() -> None:
    facets, mixed = SongFacets.of(catalogue(), triples()), SongFacets.of(catalogue(), triples()[::-1])
    assert stated(facets) == stated(mixed)
    assert np.array_equal(facets.value, mixed.value)
    empty = SongFacets.of(catalogue(), triples().clear())
    assert empty.offsets.tolist() == [0, 0, 0, 0]
    assert len(empty.only("artist").value) == 0


def test_a_tag_kind_may_have_the_name_of_a_facet() -> None:
    things = catalogue()
    extra = pl.DataFrame({"key": ["tag:Language/Hakka"], "kind": ["tag"], "name": ["Hakka"]})
    things = type(things)(pl.concat([things.entities, extra]), things.songs, things.users)
    facets = SongFacets.of(things, triples())
    assert facets.facet_of[-1] == facets.code("language")

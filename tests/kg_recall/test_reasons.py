import numpy as np
import polars as pl

from kg_recall.reasons import path_tokens, reasons
from recall.candidates import Paths

KEYS = pl.Series(["song:1", "song:2", "album:a", "drama:d", "artist:x", "season:s/1", "show:s"])
NAMES = pl.Series(["夜航星", "Harbour", "Tides", "The Long Tide", "Ana", "Season 1", "I Sing"])
STEPS = ("IN_ALBUM", "SOUNDTRACK_OF", "<SOUNDTRACK_OF", "<IN_ALBUM", "SUNG_BY", "COMPETED_IN", "HEARD_WITH", "PROFILE", "<MUSIC_GENRE")
USER_KEYS = pl.Series(["user:u"])


def path(nodes: list[int], steps: list[str], *, profile: bool = False) -> Paths:
    codes = [STEPS.index(step) for step in steps]
    return Paths(
        np.array([nodes], dtype=np.int32).reshape(1, -1),
        np.array([codes], dtype=np.int16).reshape(1, -1),
        np.array([len(nodes)], dtype=np.int8),
        STEPS,
        np.array([profile]),
    )


DRAMA = path([0, 2, 3, 2, 1], ["IN_ALBUM", "SOUNDTRACK_OF", "<SOUNDTRACK_OF", "<IN_ALBUM"])


def test_a_path_across_a_drama_names_it() -> None:
    (sentence,) = reasons(DRAMA, NAMES, "song", "en")
    assert sentence.startswith("because you played “夜航星”")
    assert "the drama “The Long Tide”" in sentence
    assert sentence.endswith("this song")


def test_tokens_alternate_keys_and_steps() -> None:
    (tokens,) = path_tokens(DRAMA, KEYS, USER_KEYS)
    assert tokens.to_list() == [
        "song:1",
        "IN_ALBUM",
        "album:a",
        "SOUNDTRACK_OF",
        "drama:d",
        "<SOUNDTRACK_OF",
        "album:a",
        "<IN_ALBUM",
        "song:2",
    ]


def test_chinese_names_the_drama_in_its_own_quotes() -> None:
    (sentence,) = reasons(DRAMA, NAMES, "song", "zh")
    assert sentence.startswith("因为你听过《夜航星》")
    assert "剧集《The Long Tide》" in sentence


def test_every_english_sentence_says_because() -> None:
    paths = [path([], []), path([1], []), path([0, 1], ["HEARD_WITH"]), path([0, 4, 1], ["SUNG_BY", "<MUSIC_GENRE"]), DRAMA]
    sentences = [reasons(one, NAMES, "song", "en")[0] for one in paths if one.nodes.shape[1]]
    none = Paths(np.full((1, 1), -1, np.int32), np.empty((1, 0), np.int16), np.zeros(1, np.int8), ())
    assert all("because" in sentence for sentence in [*sentences, reasons(none, NAMES, "song", "en")[0]])
    assert path_tokens(none, KEYS, USER_KEYS)[0].to_list() == []


def test_a_relation_of_the_triples_table_is_told_in_its_own_words() -> None:
    (sentence,) = reasons(path([0, 4, 1], ["SUNG_BY", "<MUSIC_GENRE"]), NAMES, "song", "en")
    assert "linked by “music genre” to this song" in sentence


def test_the_item_is_called_by_its_kind() -> None:
    (sentence,) = reasons(path([0, 4, 1], ["SUNG_BY", "<MUSIC_GENRE"]), NAMES, "mv", "en")
    assert sentence.endswith("this MV")


def test_profile_path_starts_at_the_user() -> None:
    profile = path([-1, 1], ["PROFILE"], profile=True)
    assert path_tokens(profile, KEYS, USER_KEYS)[0].to_list() == ["user:u", "PROFILE", "song:2"]
    assert reasons(profile, NAMES, "song", "en")[0] == "because listeners with a profile like yours play it"


def test_no_rows_no_sentences() -> None:
    empty = Paths(np.empty((0, 2), np.int32), np.empty((0, 1), np.int16), np.empty(0, np.int8), STEPS)
    assert reasons(empty, NAMES, "song", "en").to_list() == []
    assert path_tokens(empty, KEYS, pl.Series([], dtype=pl.String)).to_list() == []

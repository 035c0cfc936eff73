"""Every ranker by its name: made from the config, fitted, saved beside the encoder, and loaded to the same scores."""

from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from leak_house import World, sound

from embeddings.song_encoder import SongEncoder
from etl.errors import UserError
from kg_recall.evaluation.leaks import gate
from kg_recall.evaluation.split import SplitKind
from kg_recall.rankers import ENCODER, load_rankers, new_ranker, save_rankers, utilities
from kg_recall.rooms import ROOMS, room_class
from kg_recall.sections import RankerName
from kg_recall.settings import Settings
from ranking.deep_ranker import DeepRanker
from ranking.domains import Domains
from ranking.ranker import Ranker
from ranking.registry import RANKERS
from ranking.utility import UTILITIES, Utility
from recall.interest import InterestRoute
from recall.popular import PopularRoute
from recall.route import RecallRoute

TINY: dict[str, dict[str, Any]] = {
    "logistic": {"l2": [10.0], "max_iterations": 20},
    "ftrl": {"alpha": [0.1], "l1": [1.0], "bits": 10, "max_passes": 1},
    "domains": {"sessions": 2, "acts": 4, "heads": 2},
    "dsin": {"sessions": 2, "acts": 4, "heads": 2},
    "sim": {"history": 3, "found": 4},
}
DEEP = {"width": 8, "hidden": [16, 8], "max_epochs": 1, "batch_size": 256}
SCENES = ("daily", "fm")


def settings(**rank: Any) -> Settings:
    """A config that makes every ranker small, with more keys of `[rank]`."""
    sizes = {name: TINY.get(name, {}) | (DEEP if issubclass(kind, DeepRanker) else {}) for name, kind in RANKERS.items()}
    return Settings(source={"url": "sqlite:///music.db"}, rank=sizes | rank)


@cache
def routes_with(seed: int) -> dict[str, RecallRoute]:
    """Routes of recall, whose encoder is that of a training of its own."""
    interest = InterestRoute()
    interest.encoder = SongEncoder(sound().learned_on.projection, None, dim=8, seed=seed)
    return {"popular": PopularRoute(), "interest": interest}


@cache
def fitted(name: str, kind: SplitKind = "time") -> tuple[World, Ranker, dict[str, RecallRoute]]:
    """The small house, a ranker fitted in it, and the routes whose encoder it has."""
    world = sound(kind)
    routes = routes_with(seed=0)
    ranker = new_ranker(name, settings(), routes["interest"].encoder, SCENES)  # type: ignore[attr-defined]
    ranker.fit(world.learned_on, world.learned, world.learned)
    return world, ranker, routes


def test_config_rooms_and_registry_have_the_same_rankers() -> None:
    assert list(get_args(RankerName)) == list(RANKERS) == [name.removeprefix("rank.") for name in ROOMS if name.startswith("rank.")]


@pytest.mark.parametrize("name", RANKERS)
def test_a_ranker_has_the_settings_of_its_section(name: str) -> None:
    ranker: Any = new_ranker(name, settings(), None, SCENES)
    assert (ranker.name, type(ranker), type(ranker.settings), ranker.seed) == (name, RANKERS[name], room_class(f"rank.{name}"), 0)
    for key, value in settings().section(f"rank.{name}").items():
        assert getattr(ranker.settings, key) == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize("refitted", [False, True])
@pytest.mark.parametrize("name", RANKERS)
def test_a_ranker_comes_back_to_the_same_scores(name: str, refitted: bool, tmp_path: Path) -> None:
    world, ranker, routes = fitted(name)
    ranker.observe(world.learned_on)
    held = routes_with(seed=1) if refitted else routes
    save_rankers((ranker,), held, tmp_path / "rankers")
    assert (tmp_path / "rankers" / ENCODER).is_dir() == (refitted and isinstance(ranker, DeepRanker))
    (again,) = load_rankers((name,), settings(), tmp_path / "rankers", world.learned_on, held)
    scores = ranker.score_examples(world.learned)
    assert np.ptp(scores) > 0
    np.testing.assert_array_equal(again.score_examples(world.learned), scores)
    users = np.repeat(np.arange(3, dtype=np.int32), 5)
    for scene in (-1, 1):
        np.testing.assert_array_equal(*(one.score(users, np.tile(world.learned.item[:5], 3), scene) for one in (again, ranker)))


@pytest.mark.parametrize("name", RANKERS)
def test_a_ranker_sees_nothing_of_what_comes_after_an_example(name: str) -> None:
    world, ranker, _ = fitted(name)
    ranker.observe(world.judged_on)
    assert [finding for finding in gate.of_ranker(ranker, world.judged_on) if finding is not None] == []


@pytest.mark.parametrize("name", RANKERS)
def test_where_times_give_order_only_no_clock_moves_a_score(name: str) -> None:
    world, ranker, _ = fitted(name, "last")
    assert world.judged_on.ordinal
    ranker.observe(world.judged_on)
    assert [finding for finding in gate.of_ordinal_ranker(ranker, world.judged_on, world.judged) if finding is not None] == []


def test_rankers_share_one_encoder_on_disk_and_in_memory(tmp_path: Path) -> None:
    world, din, _ = fitted("din")
    _, dcn, _ = fitted("dcn")
    save_rankers((din, dcn), routes_with(seed=1), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dcn", "din", "encoder"]
    first, second = load_rankers(("din", "dcn"), settings(), tmp_path, world.learned_on, routes_with(seed=2))
    assert first.encoder is second.encoder  # type: ignore[attr-defined]


def test_without_the_interest_route_songs_are_their_ids_and_facets(tmp_path: Path) -> None:
    world = sound()
    ranker = new_ranker("dcn", settings(), None, SCENES)
    ranker.fit(world.learned_on, world.learned, world.learned)
    save_rankers((ranker,), {}, tmp_path)
    (again,) = load_rankers(("dcn",), settings(), tmp_path, world.learned_on, {})
    np.testing.assert_array_equal(again.score_examples(world.learned), ranker.score_examples(world.learned))


def test_a_scene_keeps_what_the_config_leaves_out() -> None:
    found = utilities(settings(utility={"fm": {"skip": -3.0}, "walk": {"click": 1.0}, "daily": {"heart": 5.0}}), ("daily", "fm", "walk"))
    assert found["fm"] == Utility(click=0.0, skip=-3.0)
    assert found["daily"] == Utility(heart=5.0)
    assert found["walk"] == Utility(click=1.0, heart=5.0)  # a scene without a worth of its own takes that of daily
    assert utilities(settings(), ()) == UTILITIES


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"dialy": {"skip": -1.0}}, r"\[rank.utility.dialy\]: no event of the source has that scene; there are daily, fm, walk"),
        ({"fm": {"full_play": 0, "heart": 0, "skip": 0}}, r"\[rank.utility.fm\] all weights are 0"),
    ],
)
def test_a_worth_that_weighs_nothing_is_refused(said: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        utilities(settings(utility=said), ("daily", "walk"))


def test_the_worth_of_a_scene_moves_its_scores_and_no_others(tmp_path: Path) -> None:
    world, ranker, routes = fitted("domains")
    save_rankers((ranker,), routes, tmp_path)
    users, items = np.zeros(8, np.int32), np.arange(8, dtype=np.int32)
    plain, dear = (
        load_rankers(("domains",), settings(utility=said), tmp_path, world.learned_on, routes)[0] for said in ({}, {"fm": {"skip": -9.0}})
    )
    assert isinstance(dear, Domains)
    assert dear.utilities["fm"].skip == -9.0
    scenes = world.learned_on.scenes
    np.testing.assert_array_equal(plain.score(users, items, scenes.index("daily")), dear.score(users, items, scenes.index("daily")))
    assert (plain.score(users, items, scenes.index("fm")) != dear.score(users, items, scenes.index("fm"))).all()

"""The config that the README shows is the one that holds."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest

from kg_recall.rooms import ROOMS, room_class
from kg_recall.sections import EvaluateSettings, RankSettings, RecommendSettings, RoutesSettings
from ranking.utility import UTILITIES

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SHOWN: dict[str, Any] = tomllib.loads(
    next(block for block in README.split("```toml\n")[1:] if block.startswith("workspace =")).split("\n```")[0]
)


def shown(section: str) -> dict[str, Any]:
    found = SHOWN
    for name in section.split("."):
        found = found[name]
    return found


@pytest.mark.parametrize("section", list(ROOMS))
def test_a_rooms_section_shows_every_key_with_its_default(section: str) -> None:
    defaults = dataclasses.asdict(room_class(section)())
    plain = {
        key: list(value) if isinstance(value, tuple) else value for key, value in defaults.items() if value is not None and value != {}
    }
    sections = {name.removeprefix(f"{section}.") for name in ROOMS if name.startswith(f"{section}.")}
    assert {key: value for key, value in shown(section).items() if key not in sections} == plain


@pytest.mark.parametrize("name", ["rerank", "fm", "kinds", "themes"])
def test_what_a_list_is_made_by_shows_every_key_with_its_default(name: str) -> None:
    defaults = dataclasses.asdict(getattr(RecommendSettings(), name))
    assert shown(f"recommend.{name}") == {key: value for key, value in defaults.items() if not isinstance(value, dict | None)}


def test_every_scene_with_a_worth_of_its_own_is_shown() -> None:
    assert shown("rank.utility") == {scene: dataclasses.asdict(worth) for scene, worth in UTILITIES.items()}


def test_the_chosen_rankers_are_shown() -> None:
    settings = RankSettings()
    assert (shown("rank.model"), tuple(shown("rank.compared"))) == (settings.model, settings.compared)


@pytest.mark.parametrize(("section", "settings"), [("routes", RoutesSettings()), ("evaluate", EvaluateSettings())])
def test_switches_and_evaluation_show_every_key_with_its_default(section: str, settings: Any) -> None:
    assert shown(section) == settings.model_dump()

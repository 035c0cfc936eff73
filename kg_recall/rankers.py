"""The rankers that the config names: made, saved and loaded by their registered names, on the song encoder that recall has trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from embeddings.song_encoder import SongEncoder
from etl.errors import UserError
from kg_recall.rooms import room_class
from kg_recall.settings import Settings
from ranking.deep_ranker import DeepRanker
from ranking.domains import Domains
from ranking.ranker import Ranker
from ranking.registry import RANKERS
from ranking.utility import DEFAULT, UTILITIES, Utility
from recall.interest import InterestRoute
from recall.route import RecallRoute
from recall.snapshot import Snapshot

ENCODER: Final = "encoder"
"""Folder, beside those of the rankers, of the encoder that they share where recall holds another."""


def new_ranker(name: str, settings: Settings, encoder: SongEncoder | None, scenes: tuple[str, ...]) -> Ranker:
    """An unfitted ranker by its name, with its settings of `[rank.NAME]`.

    Args:
        name: one of `RANKERS`.
        settings: of the config.
        encoder: the song encoder that all deep rankers share.
        scenes: names of the service's scenes.

    Raises:
        UserError: `[rank.utility]` names a scene that is not there.
    """
    kind: Any = RANKERS[name]
    own = settings.room(f"rank.{name}", room_class(f"rank.{name}"))
    ranker: Ranker = kind(encoder, own, settings.seed) if issubclass(kind, DeepRanker) else kind(own, settings.seed)
    return _valued(ranker, settings, scenes)


def save_rankers(rankers: tuple[Ranker, ...], routes: dict[str, RecallRoute], folder: Path) -> None:
    """Write each ranker into `folder` (not there yet) under its name, and the encoder that they share where `routes` do not hold it."""
    saved: dict[str, Any] = {ranker.name: ranker for ranker in rankers}
    held = next((ranker.encoder for ranker in rankers if isinstance(ranker, DeepRanker)), None)
    if held is not None and held is not recall_encoder(routes):
        # After a refit recall holds a newer encoder than the rankers learned with; vectors of two trainings do not mix.
        saved[ENCODER] = held
    for name, one in saved.items():
        (folder / name).mkdir(parents=True)
        one.save(folder / name)


def load_rankers(
    names: tuple[str, ...], settings: Settings, folder: Path, snapshot: Snapshot, routes: dict[str, RecallRoute]
) -> tuple[Ranker, ...]:
    """The rankers of those names saved in `folder`, having observed `snapshot`, on the encoder that they were trained with.

    Raises:
        UserError: `[rank.utility]` names a scene that is not there.
    """
    held = folder / ENCODER
    encoder = SongEncoder.load(held, snapshot.projection) if held.is_dir() else recall_encoder(routes)
    return tuple(_valued(_loaded(name, folder / name, snapshot, encoder), settings, snapshot.scenes) for name in names)


def recall_encoder(routes: dict[str, RecallRoute]) -> SongEncoder | None:
    """The song encoder that recall has trained and deep rankers share; None where the interest route is off."""
    interest = routes.get("interest")
    return interest.encoder if isinstance(interest, InterestRoute) else None


def utilities(settings: Settings, scenes: tuple[str, ...]) -> dict[str, Utility]:
    """Worth of the outcomes by scene: what `[rank.utility.SCENE]` says, and for the rest what that scene has by itself, or `daily` has.

    Raises:
        UserError: a section names a scene that is neither the service's nor one of a list's scenarios, or weighs nothing.
    """
    said, known = settings.rank.utility, dict.fromkeys((*UTILITIES, *scenes))
    stranger = next((name for name in said if name not in known), None)
    if stranger is not None:
        raise UserError(f"[rank.utility.{stranger}]: no event of the source has that scene; there are {', '.join(known)}")
    found = {DEFAULT: _utility(DEFAULT, UTILITIES[DEFAULT], said)}
    return found | {name: _utility(name, UTILITIES.get(name, found[DEFAULT]), said) for name in (*UTILITIES, *said) if name != DEFAULT}


def _utility(scene: str, base: Utility, said: dict[str, dict[str, Any]]) -> Utility:
    try:
        return replace(base, **said.get(scene, {}))
    except UserError as error:
        raise UserError(f"[rank.utility.{scene}] {error}") from None


def _loaded(name: str, folder: Path, snapshot: Snapshot, encoder: SongEncoder | None) -> Ranker:
    kind = RANKERS[name]
    return kind.load(folder, snapshot, encoder) if issubclass(kind, DeepRanker) else kind.load(folder, snapshot)


def _valued(ranker: Ranker, settings: Settings, scenes: tuple[str, ...]) -> Ranker:
    if isinstance(ranker, Domains):
        ranker.utilities = utilities(settings, scenes)
    return ranker

"""The steps embed, train and refit: what is learned, from which events, and where it is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from embeddings.knowledge import KnowledgeEmbeddings, KnowledgeSettings, train_knowledge
from etl.behaviours import Behaviour
from etl.errors import UserError
from kg_recall.cascade import Cascade, CascadeSettings, RankedLists
from kg_recall.evaluation.leaks import gate
from kg_recall.evaluation.leaks.finding import check_leaks
from kg_recall.evaluation.split import TEST, TRAIN, VALID
from kg_recall.moments import Moments, Window, some_of
from kg_recall.rankers import load_rankers, new_ranker, recall_encoder, save_rankers
from kg_recall.rooms import room_class
from ranking.examples import candidate_examples, exposure_examples
from ranking.ranker import Examples
from recall.candidate_table import CandidateTable
from recall.merge import LearnedMerge, MergeSettings
from recall.registry import ROUTES
from recall.route import RecallRoute, SettlingRoute, TrainedRoute
from recall.snapshot import Snapshot

if TYPE_CHECKING:
    from kg_recall.context import Context

HELD_OUT_SHARE = 0.2
"""Users of the learning window who choose the blend of merge and ranker, and stop a ranker that learns from candidates."""
BLENDS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5)
"""Weights of the ranker's standardised logit beside the standardised merge score that are tried."""
TOO_FEW = "has a positive event in the validation or test part: the source has too few events to learn from; `kg-recall graph` works"
BLEND_DEPTH = 50
"""Places of the list that judge a blend."""


def embed(context: Context, folder: Path) -> None:
    """Train graph embeddings on the facts known where the train part ends."""
    projection = Moments.of(context).after(TRAIN).projection
    train_knowledge(projection, _knowledge_settings(context), context.settings.seed).save(folder)


def train(context: Context, folder: Path) -> None:
    """Fit the routes on the train part, merge and rankers on the validation part."""
    moments = Moments.of(context)
    knowledge = KnowledgeEmbeddings.load(context.workspace.path("models", "embeddings"))
    before = moments.after(TRAIN)
    before = replace(before, vectors=knowledge.aligned(before.projection))
    with context.progress.task("train: routes"):
        cascade = fit_routes(context, before)
    with context.progress.task("train: merge and ranker"):
        learn_order(context, moments, cascade, VALID)
    save(cascade, folder)


def refit(context: Context, folder: Path) -> None:
    """Fit routes and embeddings anew on all events, with the epochs found; merge and rankers on what came last.

    Merge and rankers learn from candidates of the evaluated models, which have seen nothing of the test part, with the test part
    as the window: they then know the latest behaviour, and the candidates they learn from are as unseen as those they will order.
    """
    moments = Moments.of(context)
    evaluated = stand(context, context.workspace.path("models", "evaluated"), moments.after(VALID), compared=False)
    epochs = {name: route.epochs_found for name, route in evaluated.routes.items() if isinstance(route, TrainedRoute)}
    settled = {name: route.settled for name, route in evaluated.routes.items() if isinstance(route, SettlingRoute)}
    with context.progress.task("refit: merge and ranker"):
        learn_order(context, moments, evaluated, TEST, compared=False)
    now = moments.after(TEST)
    with context.progress.task("refit: embeddings"):
        knowledge = train_knowledge(now.projection, _knowledge_settings(context), context.settings.seed)
    knowledge.save(_new(folder / "embeddings"))
    with context.progress.task("refit: routes"):
        fitted = fit_routes(context, replace(now, vectors=knowledge.aligned(now.projection)), epochs, settled)
    save(replace(evaluated, routes=fitted.routes, unavailable=fitted.unavailable), folder)


def load_serving(context: Context) -> Cascade:
    """The cascade that answers requests, at the moment of recommendation.

    Raises:
        UserError: it has not been trained yet.
    """
    folder = context.serving()
    snapshot = Moments.of(context).after(TEST)
    # The log as the lake has it is as large as the snapshot's events, and nobody asks for it any more.
    context.release()
    return stand(context, folder, snapshot, compared=False)


def fit_routes(
    context: Context, snapshot: Snapshot, epochs: dict[str, int] | None = None, settled: dict[str, Any] | None = None
) -> Cascade:
    """A cascade of the configured routes, fitted on `snapshot`; a route that its data do not allow is named in `unavailable`.

    `epochs` and `settled` settings are those that a fit with a slice held back has found, by route.
    """
    routes: dict[str, RecallRoute] = {}
    unavailable: dict[str, str] = {}
    for name in context.settings.routes.on:
        route = _new_route(context, name, (epochs or {}).get(name), (settled or {}).get(name))
        obstacle = route.obstacle(snapshot) if hasattr(route, "obstacle") else None
        if obstacle is not None:
            unavailable[name] = obstacle
            continue
        route.fit(snapshot)
        routes[name] = route
    if not routes:
        raise UserError(f"no route is left to recommend with ({unavailable or 'all are off'}): switch one on in [routes]")
    return Cascade(snapshot, routes, context.settings.room("cascade", CascadeSettings), unavailable=unavailable)


def _new_route(context: Context, name: str, epochs: int | None, settled: Any) -> RecallRoute:
    kind: Any = ROUTES[name]
    settings = settled or context.settings.room(f"recall.{name}", room_class(f"recall.{name}"))
    route: RecallRoute = kind(settings) if epochs is None else kind(settings, epochs=epochs)
    return route


@dataclass(frozen=True)
class _Learning:
    """Labelled candidates of one window, and which of their users are held out."""

    table: CandidateTable
    label: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]
    """`[n]`"""


def learn_order(context: Context, moments: Moments, cascade: Cascade, part: int, *, compared: bool = True) -> None:
    """Fit merge, rankers and their blend into `cascade` from what listeners did in `part`, which the cascade has not seen.

    Without `compared` only the ranker that orders is fitted.

    Raises:
        UserError: too few events to learn from, or a scene of `[rank.utility]` that is not there.
        LeakError: the cascade has seen it, or something that is learned from comes later than it should.
    """
    learning = _labelled_candidates(cascade, moments.window(part), context.settings.seed)
    check_leaks(gate.of_learning(moments, cascade, learning.table, learning.label, learning.held_out, part))
    settings = context.settings.room("recall.merge", MergeSettings)
    seed = context.settings.seed
    trial = LearnedMerge(settings, seed)
    trial.fit(learning.table.take(~learning.held_out), learning.label[~learning.held_out], cascade.snapshot)
    _fit_rankers(context, moments, cascade, learning, part, compared=compared)
    cascade.merge = trial
    cascade.blend = _best_blend(cascade, learning)
    cascade.merge = LearnedMerge(settings, seed, trial.size)
    cascade.merge.fit(learning.table, learning.label, cascade.snapshot)


def _labelled_candidates(cascade: Cascade, window: Window, seed: int) -> _Learning:
    if len(window.users) == 0:
        raise UserError(f"no listener {TOO_FEW}")
    rng = np.random.default_rng(seed)
    users = some_of(window.users, cascade.settings.learn_users, rng)
    table = CandidateTable.concat([cascade.candidates(chunk) for chunk in cascade.chunks(users)])
    draw = rng.permutation(len(users)) < int(HELD_OUT_SHARE * len(users))
    held_out = draw[np.searchsorted(users, table.user)]
    label = table.contains(window.user, window.item)
    if not label[~held_out].any():
        raise UserError(f"no listener's candidate {TOO_FEW}")
    return _Learning(table, label, held_out)


def _fit_rankers(context: Context, moments: Moments, cascade: Cascade, learning: _Learning, part: int, *, compared: bool) -> None:
    """The ranker that orders, and with `compared` those that stand beside it in the report."""
    snapshot, examples, valid = _examples(context, moments, cascade, learning, part)
    check_leaks(gate.of_examples(moments, snapshot, examples, cascade.snapshot.now, part))
    asked, encoder = context.settings.rank, recall_encoder(cascade.routes)
    fitted = []
    for name in (asked.model, *(asked.others if compared else ())):
        ranker = new_ranker(name, context.settings, encoder, snapshot.scenes)
        ranker.fit(snapshot, examples, valid)
        check_leaks(gate.of_ordinal_ranker(ranker, snapshot, valid))
        ranker.observe(cascade.snapshot)
        fitted.append(ranker)
    cascade.ranker, cascade.compared = fitted[0], tuple(fitted[1:])


def _examples(context: Context, moments: Moments, cascade: Cascade, learning: _Learning, part: int) -> tuple[Snapshot, Examples, Examples]:
    """What the rankers learn from and stop on: exposures where the source has them, else candidates against what was played."""
    exposed = moments.events.behaviour == Behaviour.EXPOSURE
    if not moments.split.ordinal and exposed[moments.split.part < part].any() and exposed[moments.split.part == part].any():
        # The events of the window label its exposures; facts that became known during it are not for those before them.
        snapshot = replace(moments.after(part), projection=cascade.snapshot.projection, vectors=cascade.snapshot.vectors)
        cut = moments.first_of(part)
        return snapshot, exposure_examples(snapshot, 0, cut), exposure_examples(snapshot, cut, len(snapshot.events))
    table, snapshot = learning.table, cascade.snapshot
    examples, valid = (
        candidate_examples(
            snapshot, table.user[rows], table.item[rows], learning.label[rows].astype(np.float32), seed=context.settings.seed
        )
        for rows in (~learning.held_out, learning.held_out)
    )
    return snapshot, examples, valid


def _best_blend(cascade: Cascade, learning: _Learning) -> float:
    """The weight of the ranker with the largest discounted gain on the held-out users; the smallest of equals."""
    table, label = learning.table.take(learning.held_out), learning.label[learning.held_out]
    if not label.any():
        return 0.0
    merged = cascade.merged(table)
    gains = []
    for cascade.blend in BLENDS:
        lists = RankedLists.of(table.user, table.item, cascade.ranked(table, merged))
        found = label[table.find(lists.user, lists.item)]
        gains.append(float((found / np.log2(lists.rank + 1.0))[lists.rank <= BLEND_DEPTH].sum()))
    return BLENDS[int(np.argmax(gains))]


def save(cascade: Cascade, folder: Path) -> None:
    """Write every fitted stage of a cascade into `folder`."""
    for name, route in cascade.routes.items():
        route.save(_new(folder / "routes" / name))
    assert cascade.merge is not None
    cascade.merge.save(_new(folder / "merge"))
    assert cascade.ranker is not None
    rankers = (cascade.ranker, *cascade.compared)
    save_rankers(rankers, cascade.routes, folder / "rankers")
    head = {"routes": list(cascade.routes), "unavailable": cascade.unavailable, "blend": cascade.blend}
    head["rankers"] = [ranker.name for ranker in rankers]
    (folder / "cascade.json").write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")


def load(context: Context, folder: Path, moments: Moments, part: int) -> Cascade:
    """The cascade saved in `folder`, standing where the events up to `part` have happened."""
    return stand(context, folder, moments.after(part))


def stand(context: Context, folder: Path, snapshot: Snapshot, *, compared: bool = True) -> Cascade:
    """The cascade saved in `folder`, standing at a snapshot.

    Without `compared` the rankers that order nothing, each of which holds counts of all events, are left out.
    """
    head = json.loads((folder / "cascade.json").read_text(encoding="utf-8"))
    own = folder / "embeddings"
    knowledge = KnowledgeEmbeddings.load(own if own.is_dir() else context.workspace.path("models", "embeddings"))
    snapshot = replace(snapshot, vectors=knowledge.aligned(snapshot.projection))
    routes = {name: ROUTES[name].load(folder / "routes" / name, snapshot) for name in head["routes"]}
    names = head["rankers"] if compared else head["rankers"][:1]
    ranker, *others = load_rankers(tuple(names), context.settings, folder / "rankers", snapshot, routes)
    return Cascade(
        snapshot,
        routes,
        context.settings.room("cascade", CascadeSettings),
        merge=LearnedMerge.load(folder / "merge"),
        ranker=ranker,
        compared=tuple(others),
        blend=head["blend"],
        unavailable=head["unavailable"],
    )


def _knowledge_settings(context: Context) -> KnowledgeSettings:
    return context.settings.room("embed", KnowledgeSettings)


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder

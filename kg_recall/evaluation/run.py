"""The step evaluate: every stage of the evaluated cascade on the test part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from etl.behaviours import Behaviour
from kg_recall.cascade import Cascade, RankedLists
from kg_recall.evaluation.cold import has_facts
from kg_recall.evaluation.constraints import KeptConstraints
from kg_recall.evaluation.figures import draw
from kg_recall.evaluation.graph_weights import graph_weights
from kg_recall.evaluation.leaks import gate
from kg_recall.evaluation.leaks.examples import no_test_song_among_negatives
from kg_recall.evaluation.leaks.finding import check_leaks
from kg_recall.evaluation.leaks.lists import ListChecks
from kg_recall.evaluation.metrics import auc, auc_per_user, calibration_error, log_loss_per_user
from kg_recall.evaluation.report import GraphState, Report, Stage
from kg_recall.evaluation.split import TEST, TRAIN, VALID
from kg_recall.evaluation.tally import DEPTH, Tally, Truth
from kg_recall.listening import is_played, pair_code
from kg_recall.moments import Moments, Window, some_of
from kg_recall.reranking import Reranking
from kg_recall.training import load
from ranking.examples import exposure_examples
from recall.candidate_table import CandidateTable
from recall.reciprocal_rank import reciprocal_rank
from recall.registry import ROUTES
from recall.route import RecallRoute
from recall.snapshot import Snapshot

if TYPE_CHECKING:
    from kg_recall.context import Context

SCENARIO = "daily"
"""Scenario whose final lists are judged."""
DRAWS = 50
"""Rounds in which a negative is looked for: a user who has heard nearly everything stays without some."""


def evaluate(context: Context, folder: Path) -> None:
    """Write `evaluation.json`, `evaluation.md` and `figures/` into `folder`.

    Raises:
        LeakError: something of the test part, or later than what sees it, was found in what is judged.
    """
    moments, rng = Moments.of(context), np.random.default_rng(context.settings.seed)
    cascade = load(context, context.workspace.path("models", "evaluated"), moments, VALID)
    window = moments.window(TEST)
    window = window.of(some_of(window.users, context.settings.evaluate.max_users, rng))
    truth = Truth.of(window, cascade.snapshot, _training_plays(moments))
    check_leaks(
        gate.of_data(moments, context.settings.evaluate.split), gate.of_cascade(moments, cascade, VALID), gate.of_truth(moments, truth)
    )
    report = _new_report(context, moments, cascade, truth)
    tally = Tally(truth, moments.lake.catalogue.n_songs)
    variants, sound = _graph_variants(context, cascade), ListChecks(cascade.snapshot)
    users, constraints = np.unique(truth.user), KeptConstraints(Reranking(cascade, context.settings.recommend.rerank), SCENARIO)
    with context.progress.task("evaluate: lists", total=len(users)) as advance:
        for number, chunk in enumerate(cascade.chunks(users)):
            final, new = _judge(cascade, chunk, tally, variants, constraints)
            check_leaks(sound.of(final, new), gate.of_lists(cascade, truth, final) if number == 0 else ())
            advance(len(chunk))
    tally.report(report)
    constraints.report(report)
    if context.settings.evaluate.split == "random":
        _judge_pairs(cascade, moments, window, report)
    _judge_exposures(cascade, moments, report)
    report.write(folder)
    draw(report, folder / "figures")


def _new_report(context: Context, moments: Moments, cascade: Cascade, truth: Truth) -> Report:
    catalogue = moments.lake.catalogue
    sizes = f"{catalogue.n_songs} songs, {catalogue.n_users} users, {len(moments.events)} events"
    notes = [f"route {name} left out: {reason}" for name, reason in cascade.unavailable.items()]
    notes.append(f"weight of the ranker beside the merge, chosen on held-out users of the validation part: {cascade.blend}")
    return Report(
        data=f"{context.settings.source_url().shown} ({sizes})",
        split=context.settings.evaluate.split,
        seed=context.settings.seed,
        users={"all": truth.n_users("all"), "new": truth.n_users("new")},
        notes=notes,
        sections=[section for section in (graph_weights(cascade.routes),) if section is not None],
    )


def _training_plays(moments: Moments) -> npt.NDArray[np.int64]:
    return np.bincount(moments.after(TRAIN).plays.item, minlength=moments.lake.catalogue.n_songs)


def _judge(
    cascade: Cascade, users: npt.NDArray[np.int32], tally: Tally, variants: dict[GraphState, Cascade], constraints: KeptConstraints
) -> tuple[RankedLists, RankedLists]:
    """Add every stage's lists of some users to the tally; gives the final ones, of all songs and of new ones."""
    for name, route in cascade.routes.items():
        tally.add("route", name, users, _route_list(cascade, route, users, False), _route_list(cascade, route, users, True))
    table = cascade.candidates(users)
    played = is_played(cascade.snapshot, table.user, table.item)
    merged = cascade.merged(table)
    ranked = cascade.ranked(table, merged)
    tally.add("merged", "reciprocal_rank", users, *_table_lists(table, reciprocal_rank(table), played))
    tally.add("merged", "learned", users, *_table_lists(table, merged, played))
    tally.add_candidates(users, table, RankedLists.of(table.user, table.item, merged))
    whole_lists = _whole_lists(table, ranked, played)
    assert cascade.ranker is not None
    tally.add("ranked", cascade.ranker.name, users, _judged_part(whole_lists[0]), _judged_part(whole_lists[1]))
    whole, whole_new = (
        constraints.reranking.of(lists.take(~cascade.later_versions(lists)), SCENARIO, repeats=repeats)
        for lists, repeats in zip(whole_lists, (True, False), strict=True)
    )
    constraints.add(whole)
    final, final_new = _judged_part(whole), _judged_part(whole_new)
    tally.add("final", SCENARIO, users, final, final_new)
    for name in cascade.routes if len(cascade.routes) > 1 else ():
        rest = without_route(table, name)
        tally.add(
            "merged", f"without {name}", users, *_table_lists(rest, cascade.merged(rest), is_played(cascade.snapshot, rest.user, rest.item))
        )
    for state, variant in variants.items():
        changed = variant.candidates(users)
        lists = _table_lists(changed, variant.merged(changed), is_played(variant.snapshot, changed.user, changed.item))
        tally.add("merged", "learned", users, *lists, graph=state)
    return final, final_new


def _route_list(cascade: Cascade, route: RecallRoute, users: npt.NDArray[np.int32], new_only: bool) -> RankedLists:
    found = route.recall(users, DEPTH, new_only=new_only)
    lists = RankedLists.of(found.user, found.item, found.score)
    return lists.take(cascade.allowed(lists.user, lists.item))


def _table_lists(table: CandidateTable, score: npt.NDArray[np.float32], played: npt.NDArray[np.bool_]) -> tuple[RankedLists, RankedLists]:
    lists, new = _whole_lists(table, score, played)
    return _judged_part(lists), _judged_part(new)


def _whole_lists(table: CandidateTable, score: npt.NDArray[np.float32], played: npt.NDArray[np.bool_]) -> tuple[RankedLists, RankedLists]:
    """All candidates in order, and those that their users had not played."""
    new = RankedLists.of(table.user[~played], table.item[~played], score[~played])
    return RankedLists.of(table.user, table.item, score), new


def _judged_part(lists: RankedLists) -> RankedLists:
    return lists.take(lists.rank <= DEPTH)


def without_route(table: CandidateTable, name: str) -> CandidateTable:
    """The table as if one route had found nothing: its column is silent, and songs that only it listed are gone."""
    column = table.routes.index(name)
    score, rank = table.score.copy(), table.rank.copy()
    score[:, column], rank[:, column] = 0, 0
    return replace(table, score=score, rank=rank).take(np.asarray((rank > 0).any(axis=1)))


def _graph_variants(context: Context, cascade: Cascade) -> dict[GraphState, Cascade]:
    """The cascade with the graph gone, and with the tails of its facts shuffled, where recall reads it; nothing is trained anew."""
    graph = cascade.snapshot.projection
    states: dict[GraphState, Snapshot] = {
        "removed": replace(cascade.snapshot, projection=graph.without(graph.relations)),
        "randomised": replace(cascade.snapshot, projection=graph.randomised(context.settings.seed)),
    }
    if "graph" not in cascade.routes:
        return {}
    folder = context.workspace.path("models", "evaluated", "routes", "graph")
    return {
        state: replace(cascade, snapshot=snapshot, routes=cascade.routes | {"graph": ROUTES["graph"].load(folder, snapshot)})
        for state, snapshot in states.items()
    }


def _judge_exposures(cascade: Cascade, moments: Moments, report: Report) -> None:
    """AUC, gAUC, log loss and calibration of the rankers on the exposures of the test part, each as of its own moment."""
    test = moments.events.behaviour[moments.split.part == TEST]
    if moments.split.ordinal or not (test == Behaviour.EXPOSURE).any() or cascade.ranker is None:
        return
    popularity = cascade.routes.get("popular")
    # Events up to each exposure count for it, but only facts that were known before the first of them.
    snapshot = replace(moments.after(TEST), projection=cascade.snapshot.projection, vectors=cascade.snapshot.vectors)
    examples = exposure_examples(snapshot, moments.first_of(TEST), len(snapshot.events))
    check_leaks(gate.of_judged_examples(snapshot, examples))
    scores = {}
    for ranker in (cascade.ranker, *cascade.compared):
        ranker.observe(snapshot)
        scores[ranker.name] = ranker.score_examples(examples)
        check_leaks(gate.of_ranker(ranker, snapshot))
        ranker.observe(cascade.snapshot)
    for name, logit in scores.items():
        report.add("ranked", name, "true", "all", "log_loss", None, log_loss_per_user(examples.user, examples.label, logit))
        report.add_value("ranked", name, "true", "all", "calibration_error", None, calibration_error(examples.label, logit), len(examples))
    if popularity is not None:
        scores["popular"] = popularity.score(examples.user, examples.item)
    for name, score in scores.items():
        report.add("ranked", name, "true", "all", "gauc", None, auc_per_user(examples.user, examples.label, score))
        report.add_value("ranked", name, "true", "all", "auc", None, auc(examples.label, score), len(examples))


def _judge_pairs(cascade: Cascade, moments: Moments, window: Window, report: Report) -> None:
    """AUC of every stage on the test pairs against as many pairs that never were, among songs with facts (KGCN's protocol)."""
    user, item, label = kgcn_pairs(cascade, moments, window)
    check_leaks([no_test_song_among_negatives(user, item, label, window)])
    assert cascade.ranker is not None
    names: list[tuple[Stage, str]] = [("route", name) for name in cascade.routes] + [("merged", "learned"), ("ranked", cascade.ranker.name)]
    scores = np.empty((len(user), len(names)), dtype=np.float32)
    for chunk in cascade.chunks(np.unique(user)):
        rows = np.flatnonzero(np.isin(user, chunk))
        table = cascade.candidates(chunk).with_pairs(cascade.routes, user[rows], item[rows])
        merged, logit = cascade.merged(table), cascade.ranker.score(table.user, table.item)
        scores[rows] = np.column_stack([table.score, merged, logit])[table.find(user[rows], item[rows])]
    for column, (stage, name) in enumerate(names):
        report.add_value(stage, name, "true", "all", "pair_auc", None, auc(label, scores[:, column]), len(label))


def kgcn_pairs(
    cascade: Cascade, moments: Moments, window: Window
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Pairs of the test `window` of songs with facts, and for each user as many songs with facts that the user never played.

    Columns user, item, label `[n]`.

    The protocol of KGCN (Wang et al., WWW 2019): AUC over positives of the test part and uniformly drawn negatives.
    """
    n_songs, linked = cascade.snapshot.catalogue.n_songs, np.flatnonzero(has_facts(cascade.snapshot)).astype(np.int32)
    of_linked = np.isin(window.item, linked)
    user, item = window.user[of_linked], window.item[of_linked]
    heard = moments.events.of_songs(n_songs)
    taken = pair_code(heard.user, heard.item, n_songs)
    rng = np.random.default_rng(moments.seed)
    drawn = np.full(len(user), -1, dtype=np.int32)
    for _ in range(DRAWS):
        missing = np.flatnonzero(drawn < 0)
        guess = rng.choice(linked, size=missing.size).astype(np.int32)
        # Without replacement: a song that the user has met, or that was drawn for it already, is drawn again.
        code, first = np.unique(pair_code(user[missing], guess, n_songs), return_index=True)
        fine = first[~np.isin(code, taken)]
        drawn[missing[fine]] = guess[fine]
        taken = np.concatenate([taken, code])
    found = drawn >= 0
    label = np.concatenate([np.ones(len(user), np.float32), np.zeros(int(found.sum()), np.float32)])
    return np.concatenate([user, user[found]]), np.concatenate([item, drawn[found]]), label

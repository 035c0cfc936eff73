"""Behaviour domains one by one, the price of terms of given sign, and which reader a domain needs.

    python benchmarks/domain_ablation.py --seeds 0 1 2 --work domain-ablation

See `ranker_variants` for cells and intervals. A domain that is off is not seen anywhere where the model is constrained; where it is not,
counts of refusals are still among the features.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from ranker_variants import Experiment, Foreseen, Measure, run
from ranking_line import Data, LabelOfTasks
from replays import Cases

from etl.behaviours import Behaviour
from ranking.domain_events import SIGN
from ranking.domain_settings import DomainSettings
from ranking.domains import Domains
from ranking.outcomes import outcomes
from ranking.utility import TASKS

ALL: Final = tuple(SIGN)
VARIANTS: Final = {
    "all": ("every domain, terms of given sign (the default)", {}),
    **{f"without_{name}": (f"without the domain {name}", {"domains": tuple(other for other in ALL if other != name)}) for name in ALL},
    "full_play_only": ("full plays alone", {"domains": ("full_play",)}),
    "liking_only": ("no domain that speaks against songs", {"domains": tuple(name for name in ALL if SIGN[name] > 0)}),
    "unconstrained": ("refusals are inputs like all others, also among the features", {"constrained": False}),
    "unconstrained_without_skip": (
        "the same without the domain skip",
        {"constrained": False, "domains": tuple(name for name in ALL if name != "skip")},
    ),
    "attention": ("attention over the latest 50 acts of a domain, no sessions", {"encoder": "attention"}),
    "hearts_by_term": ("hearts act through their term alone", {"by_term": ("heart",)}),
    "attention_hearts_by_term": ("both", {"encoder": "attention", "by_term": ("heart",)}),
    "uncertainty": ("losses weighed by what each task is sure of", {"uncertainty": True}),
}
REPLAYED: Final = 200
"""Listeners to whom an artist is replayed."""
MEASURES: Final = (
    Measure("label", "auc"),
    Measure("label", "gauc"),
    Measure("label", "log_loss"),
    *(Measure(task, "gauc") for task in TASKS),
)


def fit(name: str, data: Data, seed: int) -> tuple[dict[str, Any], Foreseen]:
    """One variant, fitted; the logits of the label (made of the tasks) and of every task on the test examples."""
    change: Any = VARIANTS[name][1]
    ranker = Domains(settings=DomainSettings(**change), seed=seed)
    ranker.fit(data.before, data.train, data.valid)
    label = LabelOfTasks.fit(ranker, data.valid)
    beside = {"epochs": ranker.epochs_run, "parameters": ranker.n_parameters}
    ranker.observe(data.now)
    probability = np.clip(ranker.score_tasks_of(data.test).astype(np.float64), 1e-9, 1 - 1e-9)
    tasks = (np.log(probability) - np.log1p(-probability)).astype(np.float32)
    foreseen = {"label": label.logits(data.test), **dict(zip(TASKS, tasks.T, strict=True))}
    return {**beside, **_replays(ranker, data)}, foreseen


def _replays(ranker: Domains, data: Data) -> dict[str, float]:
    """Share of her songs, in percent, that fall after three skips of an artist, and that rise after three hearts."""
    cases = Cases.of(data.now, data.test, REPLAYED)
    before = ranker.score(cases.user, cases.song)
    moved = {}
    for name, behaviour, sign in (("lowered_by_skips", Behaviour.SKIP, -1), ("raised_by_hearts", Behaviour.COLLECT, 1)):
        ranker.observe(cases.after(data.now, behaviour))
        moved[name] = 100.0 * float(np.mean(sign * (ranker.score(cases.user, cases.song) - before) > 0))
    return moved


def targets(data: Data) -> Foreseen:
    """The label, and what followed of each task."""
    return {"label": data.test.label, **dict(zip(TASKS, outcomes(data.now, data.test).T, strict=True))}


if __name__ == "__main__":
    says = (
        "Four tasks are foreseen from six domains; the label (answered and not skipped) is made of them by scene, on validation.\n"
        f"*Lowered by skips*: {REPLAYED} listeners skip three songs of an artist; percent of all her songs that fall.\n"
        "*Raised by hearts* likewise."
    )
    notes = {name: note for name, (note, _) in VARIANTS.items()}
    run(Experiment("Behaviour domains, one by one", says, "domain_ablation", notes, fit, targets, MEASURES))

"""Rules of what a session is, compared in DSIN: the gap that its authors use, the talk's two, and all three.

    python benchmarks/session_rules.py --seeds 0 1 2 --work session-rules

`flat` beside them is DIN, which sees the same songs without any division. See `ranker_variants` for cells and intervals.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from ranker_variants import Experiment, Foreseen, Measure, run
from ranking_line import Data

from ranking.din import Din
from ranking.dsin import Dsin
from ranking.dsin_network import DsinSettings

VARIANTS: Final = {
    "gap": "30 minutes without an act (Feng et al. 2019)",
    "scene": "another scene (the talk's first rule)",
    "scene_duration": "another scene, or an hour since the first act (the talk's two rules)",
    "all": "another scene, an hour since the first act, or 30 minutes without one (the default)",
    "flat": "DIN: the latest 50 songs without any division",
}
MEASURES: Final = (Measure("label", "auc"), Measure("label", "gauc"), Measure("label", "log_loss"))


def fit(name: str, data: Data, seed: int) -> tuple[dict[str, Any], Foreseen]:
    """One variant, fitted; its sessions in numbers, and the logits of the test examples."""
    ranker: Any = Din(seed=seed) if name == "flat" else Dsin(settings=DsinSettings(session_rules=name), seed=seed)
    ranker.fit(data.before, data.train, data.valid)
    ranker.observe(data.now)
    beside = {"epochs": ranker.epochs_run, "parameters": ranker.n_parameters}
    return {**beside, **_sessions(ranker, data)}, {"label": ranker.score_examples(data.test)}


def _sessions(ranker: Any, data: Data) -> dict[str, float]:
    """Acts of the sessions that test examples look back on, and how many of these they have."""
    if isinstance(ranker, Din):
        return {"sessions_of_an_example": float("nan"), "acts_of_a_session": float("nan")}
    histories = ranker._inputs.histories
    batch = histories.batch(histories.ends(data.test.user, data.test.position))
    acts = np.bincount(batch.owner.numpy())
    return {"sessions_of_an_example": float(batch.length.float().mean()), "acts_of_a_session": float(acts.mean())}


def targets(data: Data) -> Foreseen:
    """The label."""
    return {"label": data.test.label}


if __name__ == "__main__":
    says = "DSIN with the same sizes (5 sessions of 10 acts) and seeds under each rule."
    run(Experiment("What a session is", says, "session_rules", VARIANTS, fit, targets, MEASURES))

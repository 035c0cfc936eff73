"""The rankers by name, in the order of the talk's line, each step to be measured against the one before; SIM, no step of it, at last."""

from __future__ import annotations

from typing import Final

from ranking.dcn import Dcn
from ranking.dien import Dien
from ranking.din import Din
from ranking.domains import Domains
from ranking.dsin import Dsin
from ranking.fm import Fm
from ranking.ftrl_ranker import FtrlRanker
from ranking.logistic import Logistic
from ranking.ranker import Ranker
from ranking.sim import Sim

RANKERS: Final[dict[str, type[Ranker]]] = {
    "logistic": Logistic,
    "ftrl": FtrlRanker,
    "fm": Fm,
    "dcn": Dcn,
    "din": Din,
    "dien": Dien,
    "dsin": Dsin,
    "domains": Domains,
    "sim": Sim,
}

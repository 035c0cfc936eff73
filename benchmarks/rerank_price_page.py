"""The page and the plots of `rerank_price.py`, from its cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np
import numpy.typing as npt

from etl.simulation.settings import SimulationSettings
from kg_recall.evaluation.bootstrap import Interval, interval

matplotlib.use("Agg")
from matplotlib import pyplot as plt

RANKER: Final = "ranker"
PRICED: Final = ("ndcg", "ndcg of new", "want", "most wanted")
SHAPE: Final = ("distance", "artists", "styles", "style divergence", "tail", "repeats")
FAMILIES: Final = {"diversity": "o", "calibration": "s", "max_per_artist": "^", "max_per_album": "v", "tail_share": "D"}
"""Constraints on the plot, each with its mark."""
Values = npt.NDArray[np.float64]


def page(
    cells: Path, presets: list[str], seeds: list[int], stages: tuple[str, ...], variants: tuple[str, ...], size: SimulationSettings
) -> str:
    """The results as Markdown."""
    lines = [
        "# What re-ranking costs and gives",
        "",
        f"`python benchmarks/rerank_price.py --seeds {' '.join(map(str, seeds))}`: simulated services of {size.n_songs:,} songs,",
        f"{size.n_users:,} listeners and {size.n_days} days. First ten places of the lists where the test part begins. NDCG against",
        "what was liked in the test part; *want* is the mean true log odds of liking of the ten (the simulation replayed up to that",
        "moment, over the interest that the listener may have in mind), *most wanted* that of the best of the ten. 95 % bootstrap",
        "intervals over the listeners of all seeds, differences paired by listener. The tail is the less played half of the catalogue;",
        "*distance* is the mean of (1 - cosine) / 2 of graph embeddings over all pairs of a list; *kept by* is of the lists whose",
        "candidates allow the constraint, were it the only one.",
    ]
    for preset in presets:
        read = {name: _cells(cells, preset, seeds, name) for name in (*stages, *variants)}
        lines += ["", f"## {preset}", "", *_stages(read, stages), "", *_prices(read, variants)]
        lines += ["", f"![price and diversity](figures/rerank-price-{preset}.png)"]
    return "\n".join(lines) + "\n"


def _stages(read: dict[str, list[dict[str, Any]]], stages: tuple[str, ...]) -> list[str]:
    """Each order, and what it has over the order of recall alone."""
    orders = (*stages, *(name for name in ("max_per_artist = 2", "together") if name in read))
    lines = [
        "Orders; in brackets the difference from the first line.",
        "",
        "| order | " + " | ".join(PRICED) + " |",
        "|---" * (1 + len(PRICED)) + "|",
    ]
    for name in orders:
        cells = []
        for metric in PRICED:
            mine, first = _values(read[name], metric), _values(read[stages[0]], metric)
            over = "" if name == stages[0] else f" ({_span(_difference(mine, first))})"
            cells.append(f"{np.nanmean(mine):.4f}{over}")
        label = name if name in stages else f"ranker, then {name}"
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def _prices(read: dict[str, list[dict[str, Any]]], variants: tuple[str, ...]) -> list[str]:
    """Every constraint: what it costs against the ranker, how lists change, and how many keep it."""
    head = [*(f"{metric} − ranker's" for metric in PRICED), *SHAPE, "kept by"]
    lines = [
        "Price of each constraint on top of the ranker.",
        "",
        "| constraint | " + " | ".join(head) + " |",
        "|---" * (1 + len(head)) + "|",
    ]
    shape = [f"{np.nanmean(_values(read[RANKER], metric)):.3f}" for metric in SHAPE]
    lines.append("| none | " + " | ".join([""] * len(PRICED) + shape + [""]) + " |")
    for name in variants:
        prices = [_span(_difference(_values(read[name], metric), _values(read[RANKER], metric))) for metric in PRICED]
        shape = [f"{np.nanmean(_values(read[name], metric)):.3f}" for metric in SHAPE]
        lines.append(f"| {name} | " + " | ".join([*prices, *shape, _kept(read[name])]) + " |")
    return lines


def _kept(cells: list[dict[str, Any]]) -> str:
    """Of the lists of all seeds whose candidates allow a constraint alone, the share that keeps it; and how many do not allow it."""
    said = []
    for name in cells[0]["kept"]:
        holds, possible = (np.concatenate([np.array(cell["kept"][name][side], dtype=bool) for cell in cells]) for side in (0, 1))
        label = f"{name} " if len(cells[0]["kept"]) > 1 else ""
        said.append(f"{label}{holds[possible].mean():.1%}" + (f" ({(~possible).mean():.1%} cannot)" if not possible.all() else ""))
    return ", ".join(said)


def plot(cells: Path, preset: str, seeds: list[int], variants: tuple[str, ...], file: Path) -> None:
    """Diversity against loss: each constraint as a curve over its strengths, with intervals."""
    file.parent.mkdir(parents=True, exist_ok=True)
    ranker = _cells(cells, preset, seeds, RANKER)
    figure, axes = plt.subplots(2, 3, figsize=(14, 7.5), sharex="col")
    for row, priced in enumerate(("ndcg", "want")):
        for axis, shape in zip(axes[row], ("distance", "artists", "styles"), strict=True):
            for family, mark in FAMILIES.items():
                _curve(
                    axis,
                    cells,
                    preset,
                    seeds,
                    [name for name in variants if name.startswith(f"{family} = ") and "," not in name],
                    ranker,
                    priced,
                    shape,
                    mark,
                    family,
                )
            axis.axhline(0, color="#999999", linewidth=0.8)
            axis.axvline(np.nanmean(_values(ranker, shape)), color="#999999", linewidth=0.8)
            axis.set_ylabel(f"{'NDCG@10' if priced == 'ndcg' else 'true want'} − ranker's")
            if row:
                axis.set_xlabel(
                    {"distance": "intra-list distance", "artists": "distinct artists", "styles": "distinct styles"}[shape] + " of ten songs"
                )
    axes[0][0].legend(fontsize=8)
    figure.suptitle(f"Diversity against loss, preset {preset}")
    figure.tight_layout()
    figure.savefig(file, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _curve(
    axis: Any,
    cells: Path,
    preset: str,
    seeds: list[int],
    names: list[str],
    ranker: list[dict[str, Any]],
    priced: str,
    shape: str,
    mark: str,
    family: str,
) -> None:
    read = [_cells(cells, preset, seeds, name) for name in names]
    x = [np.nanmean(_values(each, shape)) for each in read]
    found = [_difference(_values(each, priced), _values(ranker, priced)) for each in read]
    y = np.array([each.value for each in found])
    error = np.array([[each.value - each.low for each in found], [each.high - each.value for each in found]])
    axis.errorbar(x, y, yerr=error, marker=mark, markersize=5, linewidth=1, capsize=2, label=family)


def _cells(cells: Path, preset: str, seeds: list[int], name: str) -> list[dict[str, Any]]:
    return [json.loads((cells / f"{preset}-{seed}-{name}.json").read_text(encoding="utf-8")) for seed in seeds]


def _values(read: list[dict[str, Any]], metric: str) -> Values:
    """`[n_users]` of all seeds; NaN where a listener has none."""
    return np.concatenate([np.array(cell["metrics"][metric], dtype=np.float64) for cell in read])


def _difference(one: Values, other: Values) -> Interval:
    difference = one - other
    return interval(difference[np.isfinite(difference)], seed=0)


def _span(found: Interval) -> str:
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"

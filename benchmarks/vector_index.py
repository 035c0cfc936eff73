"""The vector index at a million vectors: recall@100 against exact search, speed, build time, memory, filters, and FAISS beside it.

Vectors: `planted` are songs of albums of artists of styles on the sphere with a decaying spectrum, queries mix a few songs; `uniform` has
no structure (the worst case); `trained` grows from song and user vectors of a trained model, given as two files: each new vector lies
between a song and one of its 20 nearest, with noise, and queries are users. Times are processor seconds. How many times faster than exact
search something is, is the median over rounds in which both take turns, because what else the machine does weighs on both alike.

Usage: python benchmarks/vector_index.py [--n 1000000] [--songs S.npy --users U.npy] [--work build/vector_index] [--out FILE.md] [--hnsw]
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from recall.inverted_lists import ListSettings
from recall.vector_index import Found, IndexSettings, VectorIndex

DIM, K, N_QUERIES = 64, 100, 1024
ROUNDS = 5
DEVIATIONS = (3.5, 4.0, ListSettings().deviations, 4.5)
SHARES = (0.5, 0.2, 0.1, 0.02)
Vectors = npt.NDArray[np.float32]


def unit(x: npt.NDArray[Any]) -> Vectors:
    """Vectors of length 1."""
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def uniform(n: int, seed: int) -> tuple[Vectors, Vectors]:
    """No structure at all."""
    rng = np.random.default_rng(seed)
    return unit(rng.standard_normal((n, DIM), np.float32)), unit(rng.standard_normal((N_QUERIES, DIM)))


def planted(n: int, seed: int) -> tuple[Vectors, Vectors]:
    """Songs of albums of artists of styles; a query mixes four songs."""
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, DIM + 1) ** -0.35

    def spread(m: int) -> npt.NDArray[np.float64]:
        return rng.standard_normal((m, DIM)) * spectrum

    def skewed(m: int, size: int, skew: float) -> npt.NDArray[np.int64]:
        share = np.arange(1, m + 1) ** -skew
        return rng.choice(m, size, p=share / share.sum())

    styles, n_artists, n_albums = spread(60), max(n // 40, 1), max(n // 9, 1)
    artists = styles[skewed(60, n_artists, 0.7)] + 0.9 * spread(n_artists)
    albums = artists[skewed(n_artists, n_albums, 0.5)] + 0.45 * spread(n_albums)
    songs = unit(albums[rng.integers(0, n_albums, n)] + 0.45 * spread(n))
    heard, share = rng.integers(0, n, (N_QUERIES, 4)), rng.dirichlet(np.full(4, 0.7), N_QUERIES)
    return songs, unit(np.einsum("qf,qfd->qd", share, songs[heard]) + 0.4 * unit(spread(N_QUERIES)))


def trained(n: int, seed: int, songs: Vectors, users: Vectors) -> tuple[Vectors, Vectors]:
    """Vectors that lie as those of a trained model do."""
    rng = np.random.default_rng(seed)
    near = VectorIndex(songs).search(songs, 21)
    near_of = near.item.reshape(len(songs), 21)
    one = rng.integers(0, len(songs), n)
    other, share = near_of[one, rng.integers(0, 21, n)], rng.uniform(0.5, 1, n)[:, None]
    between = unit(share * songs[one] + (1 - share) * songs[other])
    noise = unit(rng.standard_normal((n, DIM)) * songs.std(0))
    return unit(between + 0.35 * noise), users[rng.permutation(len(users))[:N_QUERIES]]


def cpu(work: Callable[[], Any]) -> tuple[Any, float]:
    """Result and processor seconds."""
    start = time.process_time()
    return work(), time.process_time() - start


def recall(found: Found | npt.NDArray[Any], truth: Found) -> tuple[float, float]:
    """Mean recall@K over the queries, and the worst query's."""
    items = found.item.reshape(-1, K) if isinstance(found, Found) else found
    pairs = zip(items, truth.item.reshape(-1, K), strict=False)
    each = [len(np.intersect1d(a, b)) / K for a, b in pairs]
    return float(np.mean(each)), float(np.min(each))


def per_query(index: VectorIndex, queries: Vectors, singles: int, **options: Any) -> dict[str, float]:
    """Milliseconds of one thread for a query, alone and in a batch."""
    index.search(queries[:2], K, **options)
    _, batch = cpu(lambda: index.search(queries, K, **options))
    _, single = cpu(lambda: [index.search(queries[i : i + 1], K, **options) for i in range(singles)])
    return {"batch_ms": 1e3 * batch / len(queries), "single_ms": 1e3 * single / singles}


def in_turns(exact: VectorIndex, index: VectorIndex, queries: Vectors) -> dict[str, float]:
    """The same, and how many times faster than `exact`: medians over rounds in which both take turns."""
    rounds = []
    for turn in range(ROUNDS):
        some = np.roll(queries, -32 * turn, axis=0)
        slow, fast = per_query(exact, some, 4), per_query(index, some, 32)
        rounds.append([*fast.values(), *(slow[name] / fast[name] for name in fast)])
    return dict(zip(("batch_ms", "single_ms", "batch_times", "single_times"), np.median(rounds, axis=0).tolist(), strict=True))


def measure(songs: Vectors, queries: Vectors, *, hnsw: bool) -> dict[str, Any]:
    """One data set: exact, lists as they are chosen more and more carefully, filters, changes, FAISS."""
    exact = VectorIndex(songs, settings=IndexSettings(exact_below=len(songs)))
    truth = exact.search(queries, K)
    cell: dict[str, Any] = {"exact": per_query(exact, queries, 20)}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    index, seconds = cpu(lambda: VectorIndex(songs, settings=IndexSettings(exact_below=len(songs) - 1)))
    cell["build"] = {"cpu_s": seconds, "peak_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}
    lists = index._lists
    assert lists is not None
    cell["lists"] = len(lists.centroids)
    for deviations in DEVIATIONS:
        index._lists = replace(lists, settings=replace(lists.settings, deviations=deviations))
        mean, worst = recall(index.search(queries, K), truth)
        cell[f"{deviations} deviations"] = {"recall": mean, "worst": worst, **in_turns(exact, index, queries)}
    index._lists = lists
    for share in SHARES:
        mask = np.random.default_rng(1).random(len(songs)) < share
        right = exact.search(queries[:256], K, allowed=mask)
        for way, at in (("lists", 0.0), ("only what is left", 1.1)):
            index.settings = IndexSettings(exact_below=len(songs) - 1, exact_share=at)
            speed = per_query(index, queries[:256], 5, allowed=mask)
            cell[f"filter {share} {way}"] = {"recall": recall(index.search(queries[:256], K, allowed=mask), right)[0], **speed}
    index.settings = IndexSettings(exact_below=len(songs) - 1)
    cell["insert 1000"] = {"cpu_s": cpu(lambda: index.insert(np.arange(1000, dtype=np.int32) + len(songs), songs[:1000]))[1]}
    cell["delete 1000"] = {"cpu_s": cpu(lambda: index.delete(np.arange(1000, dtype=np.int32)))[1]}
    cell |= faiss_beside(songs, queries, truth, len(lists.centroids), hnsw=hnsw)
    return cell


def faiss_beside(songs: Vectors, queries: Vectors, truth: Found, n_lists: int, *, hnsw: bool) -> dict[str, Any]:
    """FAISS' own exact index, inverted lists and graph, one thread."""
    cell: dict[str, Any] = {}
    flat, lists = faiss.IndexFlatIP(DIM), faiss.IndexIVFFlat(faiss.IndexFlatIP(DIM), DIM, n_lists, faiss.METRIC_INNER_PRODUCT)
    flat.add(songs)
    lists.cp.niter, lists.cp.spherical, lists.cp.max_points_per_centroid, lists.cp.min_points_per_centroid = 8, True, 40, 1
    _, build = cpu(lambda: (lists.train(songs), lists.add(songs)))
    lists.nprobe = 170
    lists.cp.seed = 0
    graph = faiss.IndexHNSWFlat(DIM, 16, faiss.METRIC_INNER_PRODUCT)
    kinds: list[tuple[str, Any, float]] = [("FAISS flat", flat, 0.0), ("FAISS IVFFlat, 170 probes", lists, build)]
    if hnsw:
        graph.hnsw.efConstruction, graph.hnsw.efSearch = 100, 600
        kinds.append(("FAISS HNSW M16 ef600", graph, cpu(lambda: graph.add(songs))[1]))
    for name, index, seconds in kinds:
        some = queries[:128]
        found, batch = cpu(lambda index=index, some=some: index.search(some, K)[1])
        _, single = cpu(lambda index=index: [index.search(queries[i : i + 1], K) for i in range(20)])
        mean, worst = recall(found, truth)
        cell[name] = {"recall": mean, "worst": worst, "batch_ms": 1e3 * batch / 128, "single_ms": 1e3 * single / 20, "build_s": seconds}
    return cell


def table(name: str, cell: dict[str, Any]) -> list[str]:
    """One data set as Markdown."""
    exact = cell["exact"]
    lines = [f"## {name}", "", f"{cell['lists']} lists; built in {cell['build']['cpu_s']:.0f} s of one thread.", ""]
    lines += [
        "| | recall@100 | worst query | ms, batch | × exact | ms, alone | × exact | build, s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row, value in cell.items():
        if not isinstance(value, dict) or "batch_ms" not in value or row.startswith("filter"):
            continue
        batch, single = value["batch_ms"], value["single_ms"]
        times = value.get("batch_times", exact["batch_ms"] / batch), value.get("single_times", exact["single_ms"] / single)
        speed = f"{batch:.2f} | {times[0]:.1f} | {single:.2f} | {times[1]:.1f}"
        lines.append(f"| {row} | {value.get('recall', 1):.4f} | {value.get('worst', 1):.2f} | {speed} | {value.get('build_s', 0):.0f} |")
    lines += ["", "| filter leaves | way | recall@100 | ms, batch | ms, alone |", "|---:|---|---:|---:|---:|"]
    for row, value in cell.items():
        if row.startswith("filter"):
            _, share, way = row.split(" ", 2)
            lines.append(f"| {share} | {way} | {value['recall']:.4f} | {value['batch_ms']:.2f} | {value['single_ms']:.1f} |")
    insert, delete = cell["insert 1000"]["cpu_s"], cell["delete 1000"]["cpu_s"]
    return [*lines, "", f"A call that inserts 1,000: {1e3 * insert:.0f} ms; that deletes 1,000: {1e3 * delete:.0f} ms.", ""]


def main() -> None:
    """Measure what is not in the work folder yet, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--songs", type=Path)
    parser.add_argument("--users", type=Path)
    parser.add_argument("--work", type=Path, default=Path("build/vector_index"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/vector_index.md"))
    parser.add_argument("--hnsw", action="store_true", help="FAISS HNSW too: its build takes minutes")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    faiss.omp_set_num_threads(1)
    makers: dict[str, Callable[[], tuple[Vectors, Vectors]]] = {
        "planted": lambda: planted(given.n, 0),
        "uniform": lambda: uniform(given.n, 0),
    }
    if given.songs:
        makers = {"trained": lambda: trained(given.n, 0, np.load(given.songs), np.load(given.users)), **makers}
    lines = [
        "# Vector index",
        "",
        f"{given.n:,} × {DIM}, {N_QUERIES:,} queries, seed 0, one thread, processor time. Exact is this project's own (BLAS in blocks).",
        "",
    ]
    for name, make in makers.items():
        path = given.work / f"{name}-{given.n}.json"
        if not path.exists():
            with threadpool_limits(1):
                path.write_text(json.dumps(measure(*make(), hnsw=given.hnsw), indent=1))
        lines += table(name, json.loads(path.read_text()))
        given.out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()

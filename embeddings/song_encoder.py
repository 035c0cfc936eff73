"""The song encoder that recall and ranking share: a vector per song from its id and its facts.

One round of message passing over each song's facts (artist, album, style, language, era, tags, and whatever else the graph
says of it), as in CompGCN (Vashishth et al., ICLR 2020) with the element-wise product as composition and a mean per relation:

    x_v = E_v + W k_v                                  k_v: knowledge-graph embedding of node v, E_v: learned, zero for a new song
    h_s = b + x_s + sum_r mean_{v in N_r(s)} x_v * w_r
    out = h_s + MLP(h_s)

The song's own E_s is dropped at random while training, so that facts alone must serve too: a song that nobody has played yet
has E_s = 0 and gets the vector that its facts give it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import MessagePassing

from graph.projection import Projection

FACTS_PER_STEP = 8
"""Facts of one relation that a song hears; of more, an even spread over them is kept."""


class FactConv(MessagePassing):  # type: ignore[misc]
    """Sum over relations of the mean of `x_j * w_r`: bipartite, from facts to songs."""

    def __init__(self, n_steps: int, dim: int) -> None:
        super().__init__(aggr="sum", flow="source_to_target")
        self.relation = nn.Parameter(torch.ones(n_steps, dim))

    def forward(self, x: Tensor, edge_index: Tensor, step: Tensor, weight: Tensor, n_songs: int) -> Tensor:
        """`x [n_facts, dim]`, `edge_index [2, n_edges]` (fact, song), `step` and `weight` `[n_edges]` -> `[n_songs, dim]`."""
        out: Tensor = self.propagate(edge_index, x=x, step=step, weight=weight, size=(len(x), n_songs))
        return out

    def message(self, x_j: Tensor, step: Tensor, weight: Tensor) -> Tensor:
        """Messages `[n_edges, dim]`, before the sum."""
        return x_j * self.relation[step] * weight[:, None]


class SongEncoder(nn.Module):
    """Vectors of songs, `[b] -> [b, dim]`; one module that a recall route and a ranker can both hold."""

    def __init__(
        self,
        projection: Projection,
        vectors: npt.NDArray[np.float32] | None,
        dim: int = 32,
        seed: int = 0,
        *,
        id_dropout: float = 0.2,
    ) -> None:
        """Build the encoder of a projection's songs.

        Args:
            projection: its facts of songs, capped per relation, are the neighbourhoods.
            vectors: `[n_nodes, dim_kge]` knowledge-graph embeddings of the projection's nodes, or None.
            dim: width of the output.
            seed: of the initial parameters.
            id_dropout: share of songs whose own id is withheld in a training batch.

        Raises:
            ValueError: `vectors` does not have a row per node.
        """
        super().__init__()
        if vectors is not None and len(vectors) != projection.n_nodes:
            raise ValueError(f"vectors have {len(vectors)} rows, the projection has {projection.n_nodes} nodes")
        self.n_songs, self.dim, self.id_dropout = projection.n_songs, dim, id_dropout
        self.keys = tuple(str(key) for key in projection.keys)
        self.step_names = projection.step_names
        self._register_facts(projection)
        self.register_buffer("vectors", torch.from_numpy(_standardised(vectors, projection.n_nodes)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._initialise(projection)

    vectors: Tensor
    fact_ptr: Tensor
    fact_target: Tensor
    fact_step: Tensor
    fact_weight: Tensor

    def _register_facts(self, projection: Projection) -> None:
        for name, column in song_facts(projection, FACTS_PER_STEP).items():
            self.register_buffer(f"fact_{name}", torch.from_numpy(column), persistent=False)

    def _initialise(self, projection: Projection) -> None:
        dim = self.dim
        self.node = nn.Embedding(projection.n_nodes, dim, sparse=True)
        nn.init.normal_(self.node.weight, std=dim**-0.5)
        with torch.no_grad():
            self.node.weight[: self.n_songs] = 0
        self.project = nn.Linear(self.vectors.shape[1], dim, bias=False) if self.vectors.shape[1] else None
        self.conv = FactConv(len(projection.step_names), dim)
        self.base = nn.Parameter(torch.randn(dim) * 0.1 * dim**-0.5)
        last = nn.Linear(2 * dim, dim)
        # A residual branch that starts silent: the encoder begins as the plain sum of what is known of a song.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), last)

    def forward(self, songs: Tensor) -> Tensor:
        """Vectors `[b, dim]` of `songs` `[b]` (ids below `n_songs`, repeats allowed)."""
        edges, song = self._edges_of(songs)
        facts, fact = torch.unique(self.fact_target[edges], return_inverse=True)
        heard = self.conv(self._inputs(facts), torch.stack([fact, song]), self.fact_step[edges], self.fact_weight[edges], len(songs))
        hidden = self.base + self._own(songs) + heard
        out: Tensor = hidden + self.mlp(hidden)
        return out

    @torch.no_grad()
    def table(self, chunk: int = 16_384) -> Tensor:
        """Vectors of all songs, `[n_songs, dim]`, without gradient and without dropout."""
        training = self.training
        self.eval()
        parts = [self(torch.arange(start, min(start + chunk, self.n_songs))) for start in range(0, self.n_songs, chunk)]
        self.train(training)
        return torch.cat(parts) if parts else torch.zeros(0, self.dim)

    def _edges_of(self, songs: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the fact columns that belong to `songs`, and for each the position of its song."""
        start = self.fact_ptr[songs]
        count = self.fact_ptr[songs + 1] - start
        song = torch.repeat_interleave(torch.arange(len(songs)), count)
        first = torch.cumsum(count, 0) - count
        return torch.arange(len(song)) + (start - first)[song], song

    def _inputs(self, nodes: Tensor) -> Tensor:
        """`x_v` of each node."""
        inputs: Tensor = self.node(nodes) + self._projected(nodes)
        return inputs

    def _own(self, songs: Tensor) -> Tensor:
        """`x_s` of each song, the learned part withheld from some songs while training."""
        own: Tensor = self.node(songs)
        if self.training and self.id_dropout > 0:
            own = own * (torch.rand(len(songs), 1) >= self.id_dropout)
        return own + self._projected(songs)

    def _projected(self, nodes: Tensor) -> Tensor | float:
        return 0.0 if self.project is None else self.project(self.vectors[nodes])

    def save(self, folder: Path) -> None:
        """Write parameters, vectors and the keys they belong to into `folder/song_encoder.pt`."""
        torch.save({"settings": {"dim": self.dim, "id_dropout": self.id_dropout}, "state": self.state_dict()}, folder / "song_encoder.pt")

    @classmethod
    def load(cls, folder: Path, projection: Projection) -> Self:
        """The saved encoder on `projection`; rows go by key, so a node that is new since then starts from its facts alone."""
        saved = torch.load(folder / "song_encoder.pt", weights_only=True)
        state = saved["state"]
        width = state["vectors"].shape[1]
        vectors = np.zeros((projection.n_nodes, width), np.float32) if width else None
        encoder = cls(projection, vectors, **saved["settings"])
        encoder.load_state_dict(_moved(state, encoder))
        return encoder.eval()

    def get_extra_state(self) -> dict[str, Any]:
        """Keys of the nodes and steps that the rows of the parameters belong to."""
        return {"keys": list(self.keys), "steps": list(self.step_names)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Check that a state belongs to this projection.

        Raises:
            ValueError: the state was saved with other nodes or relations.
        """
        if tuple(state["keys"]) != self.keys or tuple(state["steps"]) != self.step_names:
            raise ValueError("the song encoder's state belongs to another graph: its nodes or relations differ; use SongEncoder.load")


def song_facts(projection: Projection, per_step: int) -> dict[str, npt.NDArray[Any]]:
    """Facts of songs as CSR columns: `ptr [n_songs + 1]`, and `target`, `step`, `weight` `[n_facts]`.

    Of a song's facts of one step at most `per_step` are kept, evenly spread; `weight` is one over their number, so that a sum is a mean.
    """
    n_facts = int(projection.indptr[projection.n_songs])
    song = np.repeat(np.arange(projection.n_songs), np.diff(projection.indptr[: projection.n_songs + 1]))
    step, target = projection.step[:n_facts].astype(np.int64), projection.target[:n_facts].astype(np.int64)
    new = np.ones(n_facts, bool)
    new[1:] = (song[1:] != song[:-1]) | (step[1:] != step[:-1])
    start, group = np.flatnonzero(new), np.cumsum(new) - 1
    size = np.diff(np.append(start, n_facts))
    rank, total = np.arange(n_facts) - start[group], size[group]
    # Rank j of n goes to slot floor(j * cap / n): the first of each slot stays.
    kept_of = np.minimum(total, per_step)
    keep = (rank == 0) | (rank * kept_of // total != (rank - 1) * kept_of // total)
    ptr = np.zeros(projection.n_songs + 1, np.int64)
    np.cumsum(np.bincount(song[keep], minlength=projection.n_songs), out=ptr[1:])
    return {"ptr": ptr, "target": target[keep], "step": step[keep], "weight": (1 / kept_of[keep]).astype(np.float32)}


def _standardised(vectors: npt.NDArray[np.float32] | None, n_nodes: int) -> npt.NDArray[np.float32]:
    """Vectors scaled to unit root mean square: their scale depends on the embedding model, not on what it learned."""
    if vectors is None:
        return np.zeros((n_nodes, 0), np.float32)
    scale = float(np.sqrt(np.mean(np.square(vectors, dtype=np.float64)))) if vectors.size else 0.0
    return np.ascontiguousarray(vectors / scale if scale > 0 else vectors, dtype=np.float32)


def _moved(state: dict[str, Any], encoder: SongEncoder) -> dict[str, Any]:
    """The saved state with its rows where the encoder's projection has their keys; nodes and steps it did not know keep zero and one."""
    saved = state["_extra_state"]
    moved = dict(state)
    moved["_extra_state"] = encoder.get_extra_state()
    for name, keys, known, fill in (
        ("node.weight", encoder.keys, saved["keys"], 0.0),
        ("vectors", encoder.keys, saved["keys"], 0.0),
        ("conv.relation", encoder.step_names, saved["steps"], 1.0),
    ):
        moved[name] = _rows_by_key(state[name], known, keys, fill)
    return moved


def _rows_by_key(rows: Tensor, known: list[str], keys: tuple[str, ...], fill: float) -> Tensor:
    row_of = {key: row for row, key in enumerate(known)}
    source = torch.tensor([row_of.get(key, -1) for key in keys], dtype=torch.long)
    out = torch.full((len(keys), rows.shape[1]), fill)
    found = source >= 0
    out[found] = rows[source[found]]
    return out


class EncodedSongs(nn.Module):
    """Song vectors of length 1 by the encoder: the item side of models that score by cosine."""

    def __init__(self, encoder: SongEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def songs(self, songs: Tensor) -> Tensor:
        """Item vectors of length 1, `[b, dim]`."""
        return functional.normalize(self.encoder(songs), dim=-1)

    def table(self) -> Tensor:
        """Item vectors of all songs, `[n_songs, dim]`, without gradient."""
        return functional.normalize(self.encoder.table(), dim=-1)

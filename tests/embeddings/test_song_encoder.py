from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.song_encoder import SongEncoder, song_facts
from graph.projection import Projection

N_SONGS = 6
KEYS = [f"song:{n}" for n in range(N_SONGS)] + ["album:a", "artist:x", "artist:y", "style:rock"]
FACTS = [
    (0, "SUNG_BY", 7),
    (1, "SUNG_BY", 7),
    (2, "SUNG_BY", 8),
    (0, "IN_ALBUM", 6),
    (1, "IN_ALBUM", 6),
    (2, "HAS_STYLE", 9),
    (3, "SUNG_BY", 7),
    (3, "SUNG_BY", 8),
    # songs 4 and 5 have no facts
]


def graph(facts: list[tuple[int, str, int]] = FACTS, keys: list[str] = KEYS) -> Projection:
    head, relation, tail = zip(*facts, strict=True) if facts else ((), (), ())
    return Projection.build(keys, keys, N_SONGS, head, list(relation), tail)


def vectors(n: int = len(KEYS)) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, 4)).astype(np.float32)


def with_learned_ids(encoder: SongEncoder) -> SongEncoder:
    with torch.no_grad():
        encoder.node.weight[:N_SONGS].normal_(generator=torch.Generator().manual_seed(1))
        encoder.mlp[2].weight.normal_(std=0.3, generator=torch.Generator().manual_seed(2))
    return encoder.eval()


def test_shapes_and_table() -> None:
    encoder = with_learned_ids(SongEncoder(graph(), vectors(), 8, 0))
    table = encoder.table(chunk=4)
    assert table.shape == (N_SONGS, 8)
    assert not table.requires_grad
    assert torch.isfinite(table).all()
    torch.testing.assert_close(encoder(torch.tensor([5, 0, 0])), table[[5, 0, 0]])
    assert encoder(torch.tensor([], dtype=torch.long)).shape == (0, 8)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, N_SONGS - 1), min_size=1, max_size=12))
def test_a_song_does_not_depend_on_its_batch(songs: list[int]) -> None:
    encoder = with_learned_ids(SongEncoder(graph(), vectors(), 8, 0))
    torch.testing.assert_close(encoder(torch.tensor(songs)), encoder.table()[songs])


def test_facts_move_the_vector() -> None:
    full = SongEncoder(graph(), None, 8, 0).eval().table()
    fewer = SongEncoder(graph().without(["SUNG_BY"]), None, 8, 0).eval().table()
    moved = (full != fewer).any(dim=1)
    assert moved.tolist() == [True, True, True, True, False, False]
    assert (full[4:] == full[4]).all()


def test_a_song_never_trained_is_what_its_facts_say() -> None:
    table = SongEncoder(graph(), None, 8, 0).eval().table()
    # Songs 0 and 1 have the same facts and no id yet; song 3 has other facts.
    assert torch.equal(table[0], table[1])
    assert not torch.equal(table[0], table[3])


def test_facts_of_one_relation_are_averaged() -> None:
    encoder = SongEncoder(graph(), None, 8, 0).eval()
    table, node = encoder.table(), encoder.node.weight
    torch.testing.assert_close(table[3] - table[4], (node[7] + node[8]) / 2)


def test_the_id_is_withheld_only_while_training() -> None:
    encoder = with_learned_ids(SongEncoder(graph(), None, 8, 0, id_dropout=1.0))
    with_id = encoder(torch.arange(N_SONGS))
    encoder.train()
    without = encoder(torch.arange(N_SONGS))
    assert not torch.equal(with_id[0], with_id[1])
    assert torch.equal(without[0], without[1])
    torch.testing.assert_close(encoder.table(), with_id)
    assert encoder.training


def test_every_part_learns() -> None:
    encoder = with_learned_ids(SongEncoder(graph(), vectors(), 8, 0))
    encoder(torch.tensor([0, 2])).square().sum().backward()
    assert encoder.node.weight.grad is not None
    touched = encoder.node.weight.grad.coalesce().indices().ravel().tolist()
    assert touched == [0, 2, 6, 7, 8, 9]
    for name in ("conv.relation", "base", "project.weight", "mlp.0.weight"):
        gradient = encoder.get_parameter(name).grad
        assert gradient is not None
        assert gradient.abs().sum() > 0


def test_no_graph_at_all() -> None:
    encoder = SongEncoder(graph([]), None, 8, 0)
    vector = encoder(torch.arange(N_SONGS))
    assert torch.isfinite(vector).all()
    vector.norm(dim=1).sum().backward()
    assert torch.isfinite(encoder.base.grad).all()  # type: ignore[arg-type]


def test_same_seed_same_parameters_and_the_global_stream_is_left_alone() -> None:
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    one, two, other = (SongEncoder(graph(), vectors(), 8, seed).state_dict() for seed in (4, 4, 5))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(one["node.weight"], two["node.weight"])
    assert not torch.equal(one["node.weight"], other["node.weight"])


def test_vectors_of_another_graph_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows, the projection has 10 nodes"):
        SongEncoder(graph(), vectors(3), 8, 0)


def test_saved_and_loaded(tmp_path: Path) -> None:
    encoder = with_learned_ids(SongEncoder(graph(), vectors(), 8, 0))
    encoder.save(tmp_path)
    assert torch.equal(SongEncoder.load(tmp_path, graph()).table(), encoder.table())


def test_load_follows_keys_through_an_edited_graph(tmp_path: Path) -> None:
    encoder = with_learned_ids(SongEncoder(graph(), vectors(), 8, 0))
    encoder.save(tmp_path)
    edited = graph([*FACTS, (4, "A_NEW_RELATION", 10), (5, "SUNG_BY", 8)], [*KEYS, "drama:new"])
    loaded = SongEncoder.load(tmp_path, edited)
    before, after = encoder.table(), loaded.table()
    torch.testing.assert_close(after[:4], before[:4])
    assert torch.equal(loaded.node.weight[10], torch.zeros(8))
    torch.testing.assert_close(after[4], before[4])
    assert not torch.allclose(after[5], before[5])


def test_a_state_of_other_nodes_is_refused() -> None:
    state = SongEncoder(graph(), None, 8, 0).state_dict()
    renamed = [*KEYS[:-1], "style:pop"]
    with pytest.raises(ValueError, match="another graph"):
        SongEncoder(graph(keys=renamed), None, 8, 0).load_state_dict(state)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 9))
def test_capped_facts_are_spread_and_weigh_one(n_facts: int, cap: int) -> None:
    keys = ["song:0", *(f"tag:t/{n:02}" for n in range(n_facts))]
    projection = Projection.build(keys, keys, 1, [0] * n_facts, ["TAGGED"] * n_facts, range(1, n_facts + 1))
    facts = song_facts(projection, cap)
    kept = min(n_facts, cap)
    assert facts["ptr"].tolist() == [0, kept]
    assert len(set(facts["target"].tolist())) == kept
    assert facts["weight"].sum() == pytest.approx(1.0)
    gaps = np.diff(facts["target"])
    assert kept < 2 or gaps.max() - gaps.min() <= 1

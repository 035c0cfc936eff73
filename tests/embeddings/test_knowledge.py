from pathlib import Path

import numpy as np
import pytest
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.models import model_resolver
from pykeen.triples import CoreTriplesFactory

from embeddings.knowledge import KnowledgeEmbeddings, KnowledgeSettings, train_knowledge, triples_of
from graph.projection import Projection

GROUPS, MEMBERS = 6, 12


def planted(hidden: bool = False) -> tuple[Projection, np.ndarray]:
    """Songs of a group share album, artist and style; one fact of some songs is held out."""
    n = GROUPS * MEMBERS
    keys = [f"song:{i:03}" for i in range(n)] + [f"{kind}:{g}" for kind in ("album", "artist", "style") for g in range(GROUPS)]
    keys.append("drama:alone")
    song = np.tile(np.arange(n), 3)
    relation = np.repeat(["IN_ALBUM", "SUNG_BY", "HAS_STYLE"], n)
    tail = n + np.repeat(np.arange(3), n) * GROUPS + song % GROUPS
    out = (song % 7 == 3) & (relation == "HAS_STYLE") & hidden
    kept = Projection.build(keys, keys, n, song[~out], list(relation[~out]), tail[~out])
    code = np.array([kept.relations.index(name) for name in relation[out]], dtype=np.int64)
    return kept, np.stack([song[out], code, tail[out]], axis=1)


SMALL = KnowledgeSettings(dim=8, epochs=40, n_negatives=32, threads=1)


@pytest.mark.parametrize("model", ["ComplEx", "RotatE"])
def test_learns_the_planted_groups(model: str) -> None:
    projection, _ = planted()
    settings = KnowledgeSettings(model=model, dim=8, epochs=40, n_negatives=32, threads=1)  # type: ignore[arg-type]
    found = train_knowledge(projection, settings, seed=0)
    n = projection.n_songs
    unit = found.vectors[:n] / np.linalg.norm(found.vectors[:n], axis=1, keepdims=True)
    cosine = unit @ unit.T - 2 * np.eye(n)
    nearest = np.argsort(-cosine, axis=1)[:, :5]
    same = (nearest % GROUPS == np.arange(n)[:, None] % GROUPS).mean()
    assert same > 0.9  # by chance: 11 / 71


def test_ranks_facts_that_it_has_not_seen() -> None:
    projection, held = planted(hidden=True)
    found = train_knowledge(projection, SMALL, seed=0)
    factory = CoreTriplesFactory(triples_of(projection), num_entities=projection.n_nodes, num_relations=len(projection.relations))
    model = model_resolver.make("ComplEx", triples_factory=factory, embedding_dim=8)
    tables = (model.entity_representations[0], found.vectors), (model.relation_representations[0], found.relation_vectors)
    for representation, values in tables:
        representation._embeddings.weight.data = torch.from_numpy(values)
    results = RankBasedEvaluator().evaluate(
        model,
        torch.from_numpy(held),
        additional_filter_triples=[factory.mapped_triples],
        use_tqdm=False,
        batch_size=16,
    )
    # Tails: one style of 91 nodes; by chance a reciprocal rank of about 0.06.
    assert results.get_metric("tail.realistic.inverse_harmonic_mean_rank") > 0.5
    assert results.get_metric("tail.realistic.hits_at_10") > 0.9


def test_same_seed_same_bytes_and_other_seed_not() -> None:
    projection, _ = planted()
    quick = KnowledgeSettings(dim=4, epochs=2, n_negatives=8)
    one, two, other = (train_knowledge(projection, quick, seed).vectors.tobytes() for seed in (1, 1, 2))
    assert one == two
    assert one != other


def test_a_node_without_facts_has_a_zero_vector() -> None:
    projection, _ = planted()
    found = train_knowledge(projection, KnowledgeSettings(dim=4, epochs=1, n_negatives=8))
    assert found.vectors.shape == (projection.n_nodes, 8)
    assert found.relation_vectors.shape == (3, 8)
    zero = ~found.vectors.any(axis=1)
    assert [str(key) for key in projection.keys[zero]] == ["drama:alone"]


def test_no_facts_at_all() -> None:
    projection = Projection.build(["song:a", "song:b"], ["a", "b"], 2, [], [], [])
    found = train_knowledge(projection, KnowledgeSettings(dim=4))
    assert found.vectors.shape == (2, 8)
    assert not found.vectors.any()
    assert np.isnan(found.loss)


def test_progress_is_told() -> None:
    projection, _ = planted()
    told = []
    train_knowledge(projection, KnowledgeSettings(dim=4, epochs=2, n_negatives=8), progress=told.append)
    assert [p.epoch for p in told if p.step == p.steps] == [1, 2]


def test_saved_loaded_and_aligned(tmp_path: Path) -> None:
    projection, _ = planted()
    found = train_knowledge(projection, KnowledgeSettings(dim=4, epochs=1, n_negatives=8))
    found.save(tmp_path)
    loaded = KnowledgeEmbeddings.load(tmp_path)
    np.testing.assert_array_equal(loaded.vectors, found.vectors)
    np.testing.assert_array_equal(loaded.relation_vectors, found.relation_vectors)
    assert (loaded.model, loaded.relations, loaded.loss) == (found.model, found.relations, found.loss)
    np.testing.assert_array_equal(loaded.aligned(projection), found.vectors)
    other = Projection.build(["song:new", "song:001"], ["", ""], 2, [], [], [])
    np.testing.assert_array_equal(loaded.aligned(other), np.stack([np.zeros(8), found.vectors[1]]).astype(np.float32))

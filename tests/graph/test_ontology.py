import pytest

from etl.contract import KINDS
from graph.ontology import ENTITY, LABELS, RELATIONS, label_name, label_of, relation_name


def test_every_kind_has_its_own_label() -> None:
    labels = [label_of(kind) for kind in KINDS]
    assert len(set(labels)) == len(KINDS)
    assert ENTITY not in labels
    assert set(LABELS) == {*labels, ENTITY}


def test_kinds_of_triples_share_the_label_entity() -> None:
    assert label_of("composer") == ENTITY


def test_relations_join_known_labels_and_have_proper_names() -> None:
    for relation, pairs in RELATIONS.items():
        assert relation_name(relation) == relation
        assert {label for pair in pairs for label in pair} <= set(LABELS)


@pytest.mark.parametrize("name", ["", "sung_by", "A B", "A`) DETACH DELETE (n", "1A", "Ä"])
def test_no_other_name_becomes_a_relation_type(name: str) -> None:
    with pytest.raises(ValueError, match="no relation name"):
        relation_name(name)


def test_no_other_name_becomes_a_label() -> None:
    assert label_name("Genre2") == "Genre2"
    with pytest.raises(ValueError, match="no label name"):
        label_name("Genre`")

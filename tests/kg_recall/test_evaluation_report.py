import json
from pathlib import Path

import numpy as np
import pytest
from merge_house import SNAPSHOT, cascade

from kg_recall.cascade import RankedLists
from kg_recall.evaluation.figures import draw
from kg_recall.evaluation.report import Report
from kg_recall.evaluation.run import without_route
from kg_recall.evaluation.tally import Tally, Truth
from kg_recall.moments import Window
from recall.candidate_table import CandidateTable

# User 0 has played songs; user 29 never plays in this house: a cold user.
HEARD = int(SNAPSHOT.plays.item[SNAPSHOT.plays.user == 0][0])
NEW = next(song for song in range(40) if song not in set(SNAPSHOT.plays.item[SNAPSHOT.plays.user == 0].tolist()))
TRAINING = np.full(40, 10)
TRAINING[NEW] = 0
WINDOW = Window(np.array([0, 0, 29], np.int32), np.array([*sorted([HEARD, NEW]), 3], np.int32))


def tallied() -> Report:
    truth = Truth.of(WINDOW, SNAPSHOT, TRAINING)
    tally = Tally(truth, 40)
    users = np.array([0, 29], np.int32)
    lists = RankedLists.of(np.array([0, 0, 29], np.int32), np.array([HEARD, NEW, 5], np.int32), np.array([2, 1, 1], np.float32))
    tally.add("final", "daily", users, lists, lists.take(lists.item != HEARD))
    report = Report("a house", "time", 0, {"all": truth.n_users("all"), "new": truth.n_users("new")})
    tally.report(report)
    return report


def test_each_slice_counts_its_own_songs() -> None:
    report = tallied()
    found = {part: report.find("final", "daily", "recall", 20, part) for part in ("all", "new", "repeat", "cold_user", "cold_song", "tail")}
    values = {part: (row.value, row.n) for part, row in found.items() if row}
    assert values == {"all": (0.5, 2), "new": (0.5, 2), "repeat": (1, 1), "cold_user": (0, 1), "cold_song": (1, 1), "tail": (1, 1)}
    assert report.users == {"all": 2, "new": 2}


def test_coverage_is_a_share_of_the_catalogue() -> None:
    row = tallied().find("final", "daily", "coverage", 20)
    assert row is not None
    assert row.value == pytest.approx(3 / 40)


def test_json_has_the_fields_of_the_contract(tmp_path: Path) -> None:
    report = tallied()
    report.notes.append("a route was left out")
    report.add_value("ranked", "din", "true", "all", "auc", None, float("nan"), 0)
    report.write(tmp_path)
    read = json.loads((tmp_path / "evaluation.json").read_text())
    assert list(read) == ["data", "split", "seed", "users", "rows"]
    assert set(read["rows"][0]) == {"stage", "name", "graph", "slice", "metric", "k", "value", "low", "high", "n"}
    assert all(row["metric"] != "auc" for row in read["rows"])
    page = (tmp_path / "evaluation.md").read_text()
    assert "| final | daily | true |" in page
    assert "a route was left out" in page


def test_figures_are_drawn(tmp_path: Path) -> None:
    draw(tallied(), tmp_path / "figures")
    for name in ("recall.png", "graph_worth.png"):
        assert (tmp_path / "figures" / name).read_bytes().startswith(b"\x89PNG")


def test_a_route_left_out_is_silent_and_takes_its_own_finds_along() -> None:
    table = cascade(SNAPSHOT).candidates(np.arange(30, dtype=np.int32))
    column = table.routes.index("itemcf")
    rest = without_route(table, "itemcf")
    only_itemcf = (table.rank > 0).sum(axis=1) == (table.rank[:, column] > 0)
    assert len(rest) == (~only_itemcf).sum()
    assert not rest.rank[:, column].any()
    assert not rest.score[:, column].any()


def test_what_a_route_adds_is_a_paired_difference_and_what_only_it_found_a_share() -> None:
    truth = Truth.of(WINDOW, SNAPSHOT, TRAINING)
    tally, users = Tally(truth, 40), np.array([0, 29], np.int32)
    both = RankedLists.of(np.array([0, 0, 29], np.int32), np.array([HEARD, NEW, 3], np.int32), np.array([2, 1, 1], np.float32))
    tally.add("merged", "learned", users, both, both.take(both.item != HEARD))
    less = both.take(both.item != 3)
    tally.add("merged", "without itemcf", users, less, less.take(less.item != HEARD))
    rank = np.array([[1, 0], [1, 1], [0, 2]], np.int32)
    order = np.lexsort((both.item, both.user))
    table = CandidateTable(("repeat", "itemcf"), both.user[order], both.item[order], rank.astype(np.float32), rank)
    tally.add_candidates(users, table, both)
    report = Report("a house", "time", 0, {"all": 2, "new": 2})
    tally.report(report)
    lost = report.find("merged", "without itemcf", "recall_lost", 20)
    assert lost is not None
    assert (lost.value, lost.low, lost.high) == (0.5, 0.0, 1.0)
    alone = [report.find("route", name, "only_found", None) for name in table.routes]
    assert [row and row.value for row in alone] == pytest.approx([1 / 3, 1 / 3])
    for name, k in (("candidates", None), ("learned", 1000)):
        held = report.find("merged", name, "recall", k)
        assert held is not None
        assert held.value == 1
    assert report.find("merged", "learned", "recall_lost", 20) is None

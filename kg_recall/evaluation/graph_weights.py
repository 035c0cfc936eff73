"""What the graph route weighs, as a page that a person reads and overrules."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Final

from kg_recall.evaluation.report import Section
from recall.graph import SECTION, GraphRoute
from recall.route import RecallRoute

TITLE: Final = "What the graph route weighs"
log = logging.getLogger(__name__)


def graph_weights(routes: Mapping[str, RecallRoute]) -> Section | None:
    """The section of the report, and the same lines in the log; None where the route is off."""
    route = routes.get(GraphRoute.name)
    if not isinstance(route, GraphRoute):
        return None
    section = Section(TITLE, tuple(_lines(route)))
    log.info("\n".join((TITLE, *section.lines)))
    return section


def _lines(route: GraphRoute) -> Iterable[str]:
    yield f"Learned from {route.learned.n_plays} plays of songs new to their listeners." if route.learned.n_plays else "Nothing learned."
    yield "A chain's weight is what its hops count together; *plays* are those that it explains, *share* is their part of all."
    yield "To overrule one, name its hops or its relation in the config, and run again; 0 switches it off:"
    yield from ("", "```toml", *_example(route), "```")
    yield from ("", "| chain | hops | given | weight | plays | share | |", "|---|---|---|---|---|---|---|")
    for row in route.weight_table().iter_rows(named=True):
        numbers = f"{row['given']:.3g} | {row['weight']:.3g} | {row['plays']:.1f} | {row['share']:.1%}"
        # A bar would end the cell, in code too.
        hops = row["meta_path"].replace("|", r"\|")
        yield f"| {row['means']} | `{hops}` | {numbers} | {_by_hand(row['by_hand'])} |"
    yield from ("", "| relation | weight of a hop | |", "|---|---|---|")
    for row in route.relation_table().iter_rows(named=True):
        yield f"| {row['relation']} | {row['weight']:.3g} | {_by_hand(row['by_hand'])} |"


def _example(route: GraphRoute) -> Iterable[str]:
    """What to write: the weights that count now, of the first chain and the first relation."""
    chains, relations = route.weight_table(), route.relation_table()
    for part, table, key in (("weights", chains, "meta_path"), ("relations", relations, "relation")):
        if table.height:
            name, weight = table[key][0], table["weight"][0]
            yield from (f"[{SECTION}.{part}]", f'"{name}" = {weight:.3g}')


def _by_hand(is_so: bool) -> str:
    return "by hand" if is_so else ""

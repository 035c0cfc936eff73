"""Why a song of a stream comes: the heart or full play of this session that brought it, in words and as a path."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from kg_recall.fm_stream import Served
from kg_recall.reasons import HOPS, QUOTES, THIS, Language, path_tokens
from ranking.stream_feedback import SongGroups
from ranking.stream_settings import FACETS
from recall.candidates import Paths

OPENING: Final = {
    "en": {True: "because you just gave {a} a red heart, ", False: "because you just heard {a} to the end, "},
    "zh": {True: "因为你刚给{a}点了红心，", False: "因为你刚听完了{a}，"},
}
JOINT: Final = {"en": ", ", "zh": "，"}


def of_session(served: Served, groups: SongGroups, names: pl.Series, keys: pl.Series, language: Language) -> pl.DataFrame:
    """`reason` and `path` `[n]` of served songs; null where nothing of the session brought a song.

    Args:
        served: the songs.
        groups: where their artists, albums and styles stand.
        names: `[n_nodes]` text, name of each node.
        keys: `[n_nodes]` text, key of each node.
        language: `en` or `zh`.
    """
    brought = np.flatnonzero(served.because >= 0)
    shared = np.array([groups.common(item, liked) for item, liked in zip(served.item[brought], served.because[brought], strict=True)])
    shared = shared.reshape(-1, 2).astype(np.int32)
    paths = _paths(served.because[brought], shared, served.item[brought])
    said = pl.DataFrame({"a": _quoted(names, paths.nodes[:, 0], language), "b": _quoted(names, paths.nodes[:, 1], language)})
    sentence = pl.lit(None, dtype=pl.String)
    said = said.with_columns(facet=pl.Series(shared[:, 0]), heart=pl.Series(served.by_heart[brought]))
    for facet, relation in enumerate(FACETS.values()):
        for heart, opening in OPENING[language].items():
            text = _filled(opening + HOPS[language][relation] + JOINT[language] + HOPS[language]["<" + relation], language)
            sentence = pl.when((pl.col("facet") == facet) & (pl.col("heart") == heart)).then(text).otherwise(sentence)
    rows = pl.DataFrame({"row": pl.Series(brought, dtype=pl.Int64), "path": path_tokens(paths, keys, pl.Series([""] * len(brought)))})
    rows = rows.with_columns(said.select(reason=sentence))
    return pl.DataFrame({"row": pl.Series(np.arange(len(served.item)), dtype=pl.Int64)}).join(
        rows, on="row", how="left", maintain_order="left"
    )


def _paths(liked: npt.NDArray[np.int32], shared: npt.NDArray[np.int32], item: npt.NDArray[np.int32]) -> Paths:
    """From the liked song over what both have to the item."""
    steps = np.column_stack([2 * shared[:, 0], 2 * shared[:, 0] + 1]).astype(np.int16)
    names = tuple(name for relation in FACETS.values() for name in (relation, "<" + relation))
    nodes = np.column_stack([liked, shared[:, 1], item]).astype(np.int32)
    return Paths(nodes, steps, np.full(len(liked), 3, dtype=np.int8), names)


def _filled(template: str, language: Language) -> pl.Expr:
    """A template whose first and second `{…}` before the last are the liked song and what both have; the last is the item."""
    first, _, rest = template.partition("{a}")
    middle, _, end = rest.partition("{b}")
    return pl.concat_str(pl.lit(first), pl.col("a"), pl.lit(middle), pl.col("b"), pl.lit(end.replace("{b}", THIS[language]["song"])))


def _quoted(names: pl.Series, nodes: npt.NDArray[np.int32], language: Language) -> pl.Series:
    opening, closing = QUOTES[language]
    return opening + names.gather(pl.Series(nodes, dtype=pl.Int64)) + closing

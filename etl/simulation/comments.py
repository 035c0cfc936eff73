"""Comments of simulated listeners, in Chinese with some English: what they felt is known, how they say it varies.

Sentences are drawn from the templates of `comment_phrases`: plain judgements, slang, contrasts ("the intro is good, but …"), negation on
both sides ("not as bad as I thought", "not a bit moving"), mockery in words of praise, and remarks that judge nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from etl.simulation.comment_phrases import TEMPLATES, Template
from etl.simulation.draws import Ints, Mask

STYLES: Final = tuple(dict.fromkeys(template.style for templates in TEMPLATES.values() for template in templates))


def write(rng: np.random.Generator, mood: npt.NDArray[np.int8]) -> tuple[pl.Series, Mask]:
    """A comment for each row of `mood` (-1 disliked, 0 neither, 1 liked) and whether it is ironic, both `[n]`.

    About 6 % of the negative comments mock in words of praise; a fifth of each mood turns on a negation.
    """
    comments = compose(rng, mood)
    ironic: Mask = (comments["style"] == "irony").to_numpy()
    return comments["text"], ironic


def compose(rng: np.random.Generator, mood: npt.NDArray[np.int8]) -> pl.DataFrame:
    """`text` and `style` of a comment for each row of `mood`, `[n]`."""
    chunks = [_empty()]
    for value, templates in TEMPLATES.items():
        rows = np.flatnonzero(np.asarray(mood) == value)
        drawn = _choose(rng, templates, len(rows))
        chunks += [_of_template(rng, template, rows[drawn == number]) for number, template in enumerate(templates)]
    return pl.concat(chunks).sort("row").drop("row")


def _choose(rng: np.random.Generator, templates: tuple[Template, ...], n: int) -> Ints:
    running = np.cumsum([template.share for template in templates])
    return np.searchsorted(running[:-1] / running[-1], rng.random(n), side="right").astype(np.int64)


def _of_template(rng: np.random.Generator, template: Template, rows: Ints) -> pl.DataFrame:
    """One part of each slot for each row, joined."""
    parts = [pl.Series(slot, dtype=pl.String).gather(rng.integers(0, len(slot), len(rows))) for slot in template.slots]
    texts = pl.select(pl.concat_str(*(pl.lit(part) for part in parts))).to_series()
    return pl.DataFrame({"row": rows, "text": texts}).with_columns(style=pl.lit(template.style))


def _empty() -> pl.DataFrame:
    return pl.DataFrame(schema={"row": pl.Int64, "text": pl.String, "style": pl.String})

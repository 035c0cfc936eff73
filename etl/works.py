"""Which songs are one work: the single, the album track and the live take of the same title by the same artists."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

VERSION_WORDS: Final = (
    r"live|re-?master(?:ed)?|deluxe|demo|acoustic|mono|stereo|bonus track|explicit|instrumental|karaoke"
    r"|(?:radio|single|album|extended|original|short|tv|full)\s*(?:edit|version|ver\.?|mix|size)"
    r"|现场|演唱会|重制|重录|伴奏|纯享|完整版|无损|原版|单曲版|专辑版|ライブ|リマスター|カラオケ"
)
"""What says of which recording a title speaks, and not of which song. A remix or a cover is a work of its own."""
_QUALIFIER: Final = rf"\s*[(（\[【][^)）\]】]*(?:{VERSION_WORDS})[^)）\]】]*[)）\]】]\s*$|\s+[-–—]\s+[^-–—]*\b(?:{VERSION_WORDS})\b.*$"


def works(songs: pl.DataFrame) -> npt.NDArray[np.int32]:
    """`[n_songs]` the smallest id of the songs that are the same work; a song without title or artist is its own.

    Args:
        songs: row = song id, with `title` and `artist` (display line).
    """
    row = pl.int_range(pl.len(), dtype=pl.Int32)
    # A qualifier may follow another: "(Live) - 2011 Remaster".
    title = pl.col("title").str.normalize("NFKC").str.to_lowercase().str.replace(_QUALIFIER, "").str.replace(_QUALIFIER, "")
    title = title.str.replace_all(r"\s+", " ").str.strip_chars()
    artist = pl.col("artist").str.normalize("NFKC").str.to_lowercase().str.strip_chars()
    known = (title != "") & (artist != "")
    named = songs.select(title=title, artist=artist, known=known.fill_null(False), row=row)
    first = named.select(pl.when("known").then(pl.col("row").min().over("title", "artist", "known")).otherwise(pl.col("row")))
    return first.to_series().to_numpy().astype(np.int32)

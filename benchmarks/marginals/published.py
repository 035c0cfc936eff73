"""Published figures of music listening and where they stand; only what its source says, with what its authors counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Source:
    """A publication by the short name that the table uses."""

    short: str
    reference: str


@dataclass(frozen=True)
class Figure:
    """One published number (or range of numbers) beside one measure."""

    measure: str
    """Key of `MEASURES`."""
    text: str
    """As the table shows it."""
    source: Source
    note: str
    """What was counted, and how it differs from the measure."""


LAMERE: Final = Source("Lamere 2014", "Paul Lamere, The Skip, Music Machinery, 2 May 2014 (Spotify, billions of plays)")
BROST: Final = Source(
    "Brost 2019",
    "Brian Brost, Rishabh Mehrotra, Tristan Jehan, The Music Streaming Sessions Dataset, WWW 2019; share as counted by Austin Poor, "
    "Predicting Spotify Track Skips, 2020",
)
YAMBDA: Final = Source(
    "Yambda 2025",
    "Yambda-5B: A Large-Scale Multi-modal Dataset for Ranking And Retrieval, arXiv 2505.22238, 2025; statistics of the data set's card "
    "(4,649,567,411 listens, 89,334,605 likes, 11,579,143 dislikes)",
)
TURRIN: Final = Source(
    "Turrin 2015",
    "Roberto Turrin, Massimo Quadrana, Andrea Condorelli, Roberto Pagano, Paolo Cremonesi, 30Music Listening and Playlists Dataset, "
    "RecSys 2015 posters; its session file counted by a public processing pipeline (31,351,945 plays, 2,764,474 sessions, median 6)",
)
Y2M: Final = Source(
    "Your Music Marketing 2024",
    "Your Music Marketing, analysis of 25.3 billion Spotify streams of several hundred artists, as reported by Loudest, 24 February 2024",
)
LUMINATE: Final = Source(
    "Luminate 2022",
    "Luminate (formerly MRC Data), U.S. Midyear Music Report 2022 as reported by The Top 22, 2022, and Year-End Report 2022 "
    "as reported by Statista, Current vs. catalog music in total album consumption, 2022",
)
MEMORY: Final = Source(
    "Anderson 1991, Tran 2024",
    "John R. Anderson, Lael J. Schooler, Reflections of the Environment in Memory, Psychological Science 2(6), 1991: the odds of need "
    "fall as a power of the time since; d = 0.5 is ACT-R's, and what the authors of PISA (Transformers Meet ACT-R, RecSys 2024) use for "
    "songs",
)
LOUAIL: Final = Source(
    "Louail 2017",
    "Thomas Louail, Marc Barthelemy, Headphones on the wire: statistical patterns of music listening practices, arXiv 1704.05815, 2017",
)
RECENCY: Final = Source(
    "Anderson 2014",
    "Ashton Anderson, Ravi Kumar, Andrew Tomkins, Sergei Vassilvitskii, The Dynamics of Repeat Consumption, WWW 2014",
)

FIGURES: Final = (
    Figure("repeat", "most users favour repetition", LOUAIL, "a finding without one number: thousands of listeners over months"),
    Figure("slope_plays", "power law", RECENCY, "recency predicts best what is consumed again; a power law with exponential cutoff fits"),
    Figure("slope_days", "0.5", MEMORY, "the decay of one memory, not the hazard of a song with several"),
    Figure("session_mean", "11.3", TURRIN, "sessions as Last.fm scrobbles form them"),
    Figure("session_p50", "6", TURRIN, "the same"),
    Figure("left_5s", "0.241", LAMERE, "left within five seconds"),
    Figure("left_30s", "0.351", LAMERE, "left within thirty seconds"),
    Figure("left_early", "0.486–0.517", LAMERE, "0.486 left before the song finishes, wherever"),
    Figure("left_early", "", BROST, "0.517 skipped, in sessions chosen to have 10 to 20 tracks"),
    Figure("hearts", "0.0192", YAMBDA, "likes over listens"),
    Figure("dislikes", "0.0025", YAMBDA, "dislikes over listens"),
    Figure("current", "0.27–0.28", LUMINATE, "share of total album consumption (streams, downloads, sales) in the United States"),
    Figure("organic", "0.79–0.81", Y2M, "1 less the share of streams from algorithmic playlists (0.187 since 2015, 0.21 in the last year)"),
)


def beside(measure: str) -> str:
    """The published text beside a measure, with its source; empty where nothing is held against it."""
    figures = [figure for figure in FIGURES if figure.measure == measure]
    texts = [figure.text for figure in figures if figure.text]
    return f"{texts[0]} ({'; '.join(figure.source.short for figure in figures)})" if texts else ""


def references() -> list[str]:
    """One line a figure: what was counted and where it stands, sources once each."""
    lines = []
    for source in dict.fromkeys(figure.source for figure in FIGURES):
        notes = "; ".join(figure.note for figure in FIGURES if figure.source == source)
        lines.append(f"- **{source.short}**: {source.reference}. Counted there: {notes}.")
    return lines

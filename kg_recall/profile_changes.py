"""What has risen and fallen in a listener's taste: shares of their likings, recent against before."""

from __future__ import annotations

from typing import Final

import polars as pl

from etl.facets import FACETS

LEAST_DAYS: Final = 5
"""A change is told of where both spans hold likings of so many days."""
STANDARD_ERRORS: Final = 2.5
"""A share has changed from so many standard errors on."""
STEADY_FACETS: Final = tuple(facet for facet in FACETS if facet != "album")
"""Facets whose changes say something of taste: an album comes and goes with its release."""


def changed_shares(likings: pl.DataFrame) -> pl.DataFrame:
    """Facet values whose share of the likings of their facet differs between the spans by more than chance.

    The test is that of two proportions with a pooled variance. Likings of one day hang together (an evening of one artist is one
    choice, not twenty), so that days, not likings, are its sample size.

    Args:
        likings: a row for each liking and facet value: `facet, value, recent` (whether it is in the recent span), `day`.

    Returns:
        `facet, value, before, recent` (shares), `z` (standard errors between them), most certain first, ties by value.
    """
    steady = likings.filter(pl.col("facet").is_in(STEADY_FACETS))
    spans = [(name, steady.filter(pl.col("recent") == recent)) for name, recent in (("recent", True), ("before", False))]
    of_facet = [
        span.group_by("facet").agg(pl.len().alias(f"n_{name}"), pl.col("day").n_unique().alias(f"days_{name}")) for name, span in spans
    ]
    of_value = [span.group_by("facet", "value").agg(pl.len().alias(name)) for name, span in spans]
    counts = of_value[0].join(of_value[1], on=["facet", "value"], how="full", coalesce=True).fill_null(0)
    counts = counts.join(of_facet[0], on="facet").join(of_facet[1], on="facet")
    counts = counts.filter((pl.col("days_recent") >= LEAST_DAYS) & (pl.col("days_before") >= LEAST_DAYS))
    pooled = (pl.col("recent") + pl.col("before")) / (pl.col("n_recent") + pl.col("n_before"))
    error = (pooled * (1 - pooled) * (1 / pl.col("days_recent") + 1 / pl.col("days_before"))).sqrt()
    shares = counts.select("facet", "value", pl.col("before") / pl.col("n_before"), pl.col("recent") / pl.col("n_recent"), error=error)
    tested = shares.filter(pl.col("error") > 0).with_columns(z=(pl.col("recent") - pl.col("before")) / pl.col("error"))
    return tested.filter(pl.col("z").abs() >= STANDARD_ERRORS).sort(pl.col("z").abs().neg(), "value").drop("error")

"""A whole simulated music service: its tables, and the truth of why everything was played."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from etl.config_out import EvaluateDefaults, write_config
from etl.errors import UserError
from etl.simulation.catalogue import build_world
from etl.simulation.catalogue_tables import catalogue_tables
from etl.simulation.facts import build_facts
from etl.simulation.listener_tables import Timeline, comments_table, events_table, friends_table, truth_table, users_table
from etl.simulation.listeners import build_listeners, build_tastes
from etl.simulation.sessions import run_days
from etl.simulation.settings import SimulationSettings
from etl.tables_out import parse_url, write_tables


def simulate(settings: SimulationSettings) -> dict[str, pl.DataFrame]:
    """Every table of the source contract by name, and `truth` (see `truth_table`); the same for the same settings."""
    seeds = np.random.SeedSequence(settings.seed).spawn(6)
    of_world, of_facts, of_listeners, of_days, of_names, of_words = (np.random.default_rng(seed) for seed in seeds)
    world = build_world(settings, of_world)
    facts = build_facts(settings, world, of_facts)
    tastes = build_tastes(settings, world, of_listeners)
    listeners = build_listeners(settings, world, of_listeners)
    timeline = Timeline(run_days(settings, world, facts, tastes, listeners, of_days))
    return {
        **catalogue_tables(world, facts, of_names),
        "users": users_table(listeners),
        "events": events_table(timeline),
        "friends": friends_table(listeners),
        "comments": comments_table(timeline, of_words),
        "truth": truth_table(timeline, world, facts),
    }


def run_simulation(settings: SimulationSettings, url: str, truth: Path | None = None) -> str:
    """Simulate into the new database at `url`, write a config and, where asked, the truth as Parquet; say what was done.

    Raises:
        UserError: the database or the truth file cannot be written.
    """
    where = parse_url(url).render_as_string(hide_password=True)
    tables = simulate(settings)
    causes = tables.pop("truth")
    write_tables(url, tables)
    counts = ", ".join(f"{frame.height:,} {name}" for name, frame in tables.items())
    lines = [f"simulated ({settings.preset}, seed {settings.seed}): {counts} into {where}"]
    if truth is not None:
        _write_truth(causes, truth)
        lines.append(f"truth: {truth}")
    return "\n".join([*lines, write_config(url, EvaluateDefaults("time"))])


def _write_truth(causes: pl.DataFrame, path: Path) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        causes.write_parquet(partial)
        partial.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; name a place you may write to") from None

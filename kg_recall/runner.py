"""Runs steps: skips what is up to date, publishes what is not, and leaves everything as it was where one fails."""

from __future__ import annotations

import hashlib
import importlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from kg_recall.context import Context
from kg_recall.logs import log, log_into
from kg_recall.steps import Step


@dataclass(frozen=True)
class Outcome:
    """What became of one step."""

    step: str
    did: str
    """`done`, `up to date` or `no events`."""
    seconds: float = 0.0


def run_steps(context: Context, steps: Sequence[Step]) -> Iterator[Outcome]:
    """Bring each of `steps` up to date, in order, holding the workspace; ends early where there is no event to learn from.

    Raises:
        UserError: a mistake; all that earlier steps and earlier runs made stays.
    """
    with context.workspace.writing(context.settings.source_url()):
        log_into(context.workspace.path("logs"))
        for step in steps:
            if step.of_events and context.has_no_events():
                yield Outcome(step.name, "no events")
                return
            yield run_step(context, step)


def run_step(context: Context, step: Step) -> Outcome:
    """Run one step unless it is up to date; the workspace is held by the caller.

    Raises:
        UserError: a step that it needs has not been run, or its own mistake.
    """
    needs = {need: context.require(need).content for need in step.needs}
    inputs = inputs_of(context, step, needs)
    record = context.workspace.record(step.name)
    if record is not None and record.inputs == inputs:
        return Outcome(step.name, "up to date")
    context.settings.check_rooms()
    started = time.perf_counter()
    log.info("%s: begins", step.name)
    with context.workspace.publish(step.name, inputs, needs, step.outputs, step.hashed, step.sized) as draft:
        home = draft / step.home
        home.mkdir(parents=True, exist_ok=True)
        with context.progress.task(step.name):
            named_function(step.run)(context, home)
    seconds = time.perf_counter() - started
    log.info("%s: done in %.1f s", step.name, seconds)
    return Outcome(step.name, "done", seconds)


def inputs_of(context: Context, step: Step, needs: dict[str, str]) -> str:
    """Fingerprint of everything that the step is made of: settings, upstream content, the version, and what `also` adds."""
    parts = {
        "step": step.name,
        "version": version("kg-recall"),
        "settings": {section: context.settings.plain(section) for section in step.settings},
        "needs": needs,
        "also": named_function(step.also)(context) if step.also else "",
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def named_function(name: str) -> Callable[..., Any]:
    """The function that `module:function` names."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found

"""`cypher` and `path`: questions to the graph."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from etl.errors import UserError
from kg_recall.commands.options import DEFAULT_CONFIG, Config, Quiet
from kg_recall.context import Context

if TYPE_CHECKING:
    from graph.connections import Connections
    from graph.projection import Projection

Query = Annotated[str | None, typer.Argument(metavar="[QUERY]", help="One Cypher query; without it, a shell (:help says how).")]
AsJson = Annotated[bool, typer.Option("--json", help="An array of objects, all rows.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="A header and all rows.")]
Write = Annotated[bool, typer.Option("--write", help="Let queries change the graph; the next run takes the change up.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="Key of an entity, kind:id.")]
MaxHops = Annotated[int, typer.Option("--max-hops", min=1, max=8, help="The most hops of a path.")]
Count = Annotated[int, typer.Option("-k", min=1, help="How many paths.")]


def cypher(
    query: Query = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    write: Write = False,
    config: Config = DEFAULT_CONFIG,
    quiet: Quiet = False,
) -> None:
    """Ask the graph in Cypher: one query, or a shell."""
    if as_json and as_csv:
        raise UserError("--json and --csv exclude each other: give one of them")
    context = Context.open(config, quiet=quiet)
    from graph import answers
    from graph.shell import run_shell
    from kg_recall.graph_step import opened_store
    from kg_recall.journalled_store import JournalledStore

    shown = answers.as_json if as_json else answers.as_csv if as_csv else answers.as_table
    # Only a change needs the workspace for itself; questions may be asked while a run is at work.
    held = context.workspace.writing(context.settings.source_url()) if write else nullcontext()
    with held, opened_store(context) as bare:
        store = JournalledStore(bare, context.workspace)
        if query is None:
            run_shell(store, write, sys.stdout)
        else:
            typer.echo(shown(store.query(query, write=write)))


def path(source: Key, target: Key, max_hops: MaxHops = 4, k: Count = 3, config: Config = DEFAULT_CONFIG, quiet: Quiet = False) -> None:
    """The best connections of two entities: fewest hops first, then those through the least crowded nodes."""
    context = Context.open(config, quiet=quiet)
    projection = context.projection()
    ends = [_node(projection, key) for key in (source, target)]
    from graph.connections import connections

    found = connections(projection, ends[0], ends[1], max_hops, k)
    if not len(found.length):
        typer.echo(f"no connection of {source} and {target} within {max_hops} hops")
    for row in range(len(found.length)):
        typer.echo(f"{row + 1:>2}  {_written(projection, found, row)}")


def _node(projection: Projection, key: str) -> int:
    """Node of a key; raises `UserError` where there is none, with the key of an entity of that name if there is one."""
    node = next(iter((projection.keys == key).nonzero()[0]), None)
    if node is not None:
        return int(node)
    named = projection.keys[projection.names == key]
    hint = f"did you mean {named[0]}?" if len(named) else "keys look like song:ID or artist:ID, and `kg-recall cypher` finds them by name"
    raise UserError(f"the graph has no entity {key!r}: {hint}")


def _written(projection: Projection, found: Connections, row: int) -> str:
    """One path as Cypher would draw it, with names."""
    nodes = found.nodes[row, : found.length[row]]
    text = _labelled(projection, nodes[0])
    for step, node in zip(found.steps[row, : found.length[row] - 1], nodes[1:], strict=True):
        name = found.step_names[step]
        arrow = f"<-[{name[1:]}]-" if name.startswith("<") else f"-[{name}]->"
        text += f" {arrow} {_labelled(projection, node)}"
    return text


def _labelled(projection: Projection, node: int) -> str:
    return f"{projection.keys[node]} “{projection.names[node]}”"

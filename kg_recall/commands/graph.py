"""`cypher` and `path`: questions to the graph."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from etl.errors import UserError
from kg_recall.commands.options import DEFAULT_CONFIG, Config, Quiet
from kg_recall.context import Context

if TYPE_CHECKING:
    from graph.connections import Connections
    from graph.projection import Projection
    from graph.store import GraphStore, QueryResult

Query = Annotated[str | None, typer.Argument(metavar="[QUERY]", help="One Cypher query; without it, a shell.")]
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
    """Ask the graph in Cypher: one query, or a shell whose queries end with a semicolon."""
    if as_json and as_csv:
        raise UserError("--json and --csv exclude each other: give one of them")
    context = Context.open(config, quiet=quiet)
    from kg_recall.graph_step import opened_store
    from kg_recall.query_output import as_csv as csv_text
    from kg_recall.query_output import as_json as json_text
    from kg_recall.query_output import as_table

    shown = json_text if as_json else csv_text if as_csv else as_table
    # Only a change needs the workspace for itself; questions may be asked while a run is at work.
    held = context.workspace.writing(context.settings.source_url()) if write else nullcontext()
    with held, opened_store(context) as store:
        if query is not None:
            typer.echo(shown(_answer(context, store, query, write)))
        else:
            _shell(context, store, write, shown)


def _answer(context: Context, store: GraphStore, query: str, write: bool) -> QueryResult:
    from graph.tokens import tokenize, writes
    from kg_recall.graph_step import edit

    if write and writes(tokenize(query)):
        return edit(context, store, query)
    return store.query(query)


def _shell(context: Context, store: GraphStore, write: bool, shown: Callable[[QueryResult], str]) -> None:
    """Answer query after query; a mistake ends the shell only where nobody sits at it."""
    interactive = sys.stdin.isatty()
    for query in statements(_typed(context) if interactive else sys.stdin):
        try:
            typer.echo(shown(_answer(context, store, query, write)))
        except UserError as error:
            if not interactive:
                raise
            typer.echo(f"kg-recall: {error}", err=True)


def _typed(context: Context) -> Iterator[str]:
    """Lines typed at a prompt, with the history of earlier shells, until Ctrl-D."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory

    history = context.workspace.path("logs", "cypher-history")
    session: PromptSession[str] = PromptSession(history=FileHistory(str(history)))
    while True:
        try:
            yield session.prompt("cypher> ") + "\n"
        except EOFError:
            return


def statements(lines: Iterable[str]) -> Iterator[str]:
    """Queries out of lines: each ends with the semicolon at the end of a line, or with the last line."""
    query = ""
    for line in lines:
        query += line
        if query.rstrip().endswith(";"):
            yield query.rstrip().rstrip(";")
            query = ""
    if query.strip():
        yield query


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

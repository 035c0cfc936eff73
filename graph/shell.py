"""The interactive Cypher shell."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Final, TextIO

from etl.errors import UserError
from graph.answers import as_table
from graph.queries import QUERIES
from graph.store import GraphStore

HELP: Final = """A query ends with its line, or with ; where it has several lines.
:queries  the named questions, as Cypher
:help     this text
:quit     leave (also Ctrl-D)"""

_PROMPT: Final = "cypher> "
_MORE: Final = "   ...> "
_OPEN_ENDED: Final = ("MATCH", "OPTIONAL", "WITH", "UNWIND", "WHERE", "AND", "OR")


def run_shell(store: GraphStore, write: bool, out: TextIO, lines: Callable[[str], str] | None = None) -> None:
    """Answer queries until the input ends; an error is one line, and the shell goes on.

    `lines` reads one line after a prompt and raises EOFError at the end; by default prompt_toolkit where both ends are a terminal, else
    standard input.
    """
    read = lines or _reader()
    for text in _texts(read):
        if text in (":quit", ":exit", ":q"):
            return
        print(_reply(store, text, write), file=out, flush=True)


def _reply(store: GraphStore, text: str, write: bool) -> str:
    if text == ":help":
        return HELP
    if text == ":queries":
        return "\n\n".join(f"{name}:\n{query}" for name, query in QUERIES.items())
    if text.startswith(":"):
        return f"unknown command {text}: there are :queries, :help and :quit"
    try:
        return as_table(store.query(text, write=write))
    except UserError as error:
        return f"error: {error}"


def _texts(read: Callable[[str], str]) -> Iterator[str]:
    """Queries and commands: a line that could be whole is one; one that cannot goes on up to a semicolon or an empty line."""
    pending: list[str] = []
    while True:
        try:
            line = read(_MORE if pending else _PROMPT).rstrip()
        except KeyboardInterrupt:
            pending = []
            continue
        except EOFError:
            if pending:
                yield "\n".join(pending)
            return
        if not pending and not line.strip():
            continue
        pending.append(line)
        if line.endswith(";") or not line or (len(pending) == 1 and _is_whole(line)):
            yield "\n".join(pending).strip()
            pending = []


def _is_whole(line: str) -> bool:
    """Whether a first line is a query by itself: it returns or changes something, or is a command."""
    words = line.upper().split()
    if words[-1] in ("RETURN", "DISTINCT", "WHERE", "AND", "OR", "BY", "SET", "CREATE", "MERGE") or line.endswith(","):
        return False
    acts = any(word.strip("();") in ("RETURN", "CREATE", "MERGE", "SET", "DELETE", "REMOVE", "CALL") for word in words)
    return line.startswith(":") or acts or words[0] not in _OPEN_ENDED


def _reader() -> Callable[[str], str]:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _from_stdin
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory

    session: PromptSession[str] = PromptSession(history=InMemoryHistory())
    return lambda prompt: session.prompt(prompt)


def _from_stdin(prompt: str) -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line

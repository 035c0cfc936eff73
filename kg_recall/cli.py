"""The command line: `kg-recall`."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import typer

from etl.errors import UserError
from kg_recall.commands import flow, graph, init, playlists, profile, recommend, sources
from kg_recall.errors import SECRETS, disk_full, is_disk_full, one_line
from kg_recall.logs import log, log_path

STOPPED = "interrupted; what was done stays, and the same command goes on from there"
MISTAKE, DEFECT, INTERRUPTED = 2, 1, 130

# Waiting OpenMP threads sleep instead of spinning. Where another process holds a core, spinning at every barrier of a small tensor
# makes training ten times slower; on an idle machine sleeping costs nearly nothing. It must stand before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = typer.Typer(
    name="kg-recall",
    help="Music recommendation from a knowledge graph, with the path that explains every song.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    sources.demo,
    init.init,
    flow.run,
    flow.etl,
    flow.graph,
    flow.embed,
    flow.train,
    flow.evaluate,
    recommend.recommend,
    recommend.batch,
    playlists.playlists,
    profile.profile,
    graph.cypher,
    graph.path,
    sources.simulate,
):
    app.command()(command)
app.command("import")(sources.import_data)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(invoke(sys.argv[1:]))


def invoke(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code: 0 done, 2 a mistake in one line, 1 a defect, 130 interrupted."""
    try:
        code = app(list(arguments) or ["--help"], prog_name="kg-recall", standalone_mode=False)
        return _complain(STOPPED, INTERRUPTED) if code == INTERRUPTED else code if isinstance(code, int) else 0
    except UserError as error:
        return _complain(str(error), MISTAKE)
    except typer.TyperException as error:
        return _complain(f"{error.format_message()} (kg-recall --help lists the commands, kg-recall COMMAND --help their options)", MISTAKE)
    except (KeyboardInterrupt, typer.Abort):
        return _complain(STOPPED, INTERRUPTED)
    except SystemExit:
        return 0  # Typer's answer to a reader of our output (head, less) that has gone: there is nobody left to tell
    except Exception as error:
        return _complain(str(disk_full(_where(error))), MISTAKE) if is_disk_full(error) else _defect(error)


def _complain(message: str, code: int) -> int:
    print(f"kg-recall: {one_line(message)}", file=sys.stderr)
    return code


def _defect(error: Exception) -> int:
    """One line, and the traceback where it can be found: in the workspace's log, or here where there is none yet."""
    path = log_path()
    if path is not None:
        log.error("defect", exc_info=error)
    where = f"the traceback is in {path}" if path else "the traceback:"
    _complain(f"a defect of kg-recall, {type(error).__name__}: {error}; please report it, {where}", DEFECT)
    if path is None:
        print(SECRETS.redact("".join(traceback.format_exception(error))), file=sys.stderr, end="")
    return DEFECT


def _where(error: BaseException) -> str:
    return str(getattr(error, "filename", None) or "to disk")

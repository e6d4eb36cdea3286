"""Output of every command to a terminal, a file or a pipe: names with any characters are printed safely."""

import io
import os
import select
import sys
from collections.abc import Iterable
from typing import IO, NoReturn

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lesslabel.plain_text import visible

_WIDEST = 10_000
READER_GONE = 141
"""The exit code of a command whose reader closed the pipe, as shells give it: 128 and the number of SIGPIPE."""


class _Console(Console):
    """A console that leaves a closed pipe to `lesslabel.cli`."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def make_console(*, stderr: bool = False) -> Console:
    """A console for tables and progress, on stdout or stderr."""
    return _Console(stderr=stderr, emoji=False, markup=False, highlight=False)


def cell(value: object, style: str = "") -> Text:
    """A value as a cell, a heading or a title of a table: no markup, no emoji code, control characters escaped."""
    return Text(visible(value), style)


def lines_cell(values: Iterable[object]) -> Text:
    """Several values as one cell, a line each."""
    return Text("\n".join(map(visible, values)))


def make_table(*headings: object, title: object = None, lines: bool = False) -> Table:
    """An empty table in the style of all tables.

    Args:
        headings: of the columns.
        title: its title.
        lines: draw a line under every row; else only under the headings.
    """
    table = Table(show_lines=True) if lines else Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    if title is not None:
        table.title = cell(title)
        table.min_width = table.title.cell_len  # unless the terminal is narrower
    for heading in headings:
        table.add_column(cell(heading), overflow="fold")
    return table


def add_row(table: Table, *values: object) -> None:
    """Add a row; a `Text` is added unchanged, other values by `cell`."""
    table.add_row(*(value if isinstance(value, Text) else cell(value) for value in values))


def print_table(table: Table) -> None:
    """Print a table on stdout: as wide as the terminal; in a file or a pipe in full width."""
    console = make_console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        unlimited = console.options.update(max_width=_WIDEST)
        console.width = max(console.width, console.measure(table, options=unlimited).maximum)
    console.print(table)


def print_warning(text: str) -> None:
    """Print a line to stderr, separate from results."""
    print(visible(text), file=sys.stderr)


def accept_any_character() -> None:
    """Make stdout and stderr escape characters that their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_reader_gone() -> bool:
    """Whether the reader of stdout or stderr has gone; their buffered output is then discarded."""
    gone = [stream for stream in (sys.stdout, sys.stderr) if _is_closed(stream)]
    for stream in gone:
        _forget(stream)
    return bool(gone)


def _is_closed(stream: IO[str]) -> bool:
    try:
        stream.flush()
        descriptor = stream.fileno()
    except BrokenPipeError:
        return True
    except OSError:  # no file, as in a notebook
        return False
    if not hasattr(select, "poll"):
        return False
    watched = select.poll()  # a lost write is not reported before the next flush
    watched.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in watched.poll(0))


def _forget(stream: IO[str]) -> None:
    """Redirect a stream to the null device, so that Python reports no error at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)

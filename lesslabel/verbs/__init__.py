"""The commands of `lesslabel COMMAND`: each parses its arguments, calls one function and prints the result.

A command takes its arguments and returns the exit code: 0 done, 1 an error. It imports slow packages only when it needs
them, so that ``--help`` is fast. `lesslabel.commands` lists the commands.
"""

from lesslabel.commands import COMMANDS, run_command

__all__ = ["COMMANDS", "run_command"]

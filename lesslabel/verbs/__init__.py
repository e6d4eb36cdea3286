"""What `lesslabel VERB` does: each verb parses its own words, calls the rooms below and says what came of it.

A verb takes its words and returns the exit code: 0 done, 1 something to mend. Nothing heavy is imported before a verb
needs it, so that help is there at once. `lesslabel.commands` lists the verbs.
"""

from lesslabel.commands import VERBS, run_verb

__all__ = ["VERBS", "run_verb"]

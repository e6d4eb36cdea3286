"""Errors that a user can fix: one line that names the file or value, and the fix."""


class LesslabelError(Exception):
    """Base of every error that the command line prints as one line, without a traceback."""


class DataError(LesslabelError):
    """A file, a store or a split is missing, unreadable or contradicts itself."""


class BusyError(DataError):
    """Another process is changing a store; the same call may succeed later."""


class ConfigError(LesslabelError):
    """A setting does not exist, does not fit the data, or does not fit another setting."""


class RunError(LesslabelError):
    """A run folder or a checkpoint cannot be used."""


class NonFiniteLossError(RunError):
    """The loss became NaN or infinite; the message names the cases of the batch."""

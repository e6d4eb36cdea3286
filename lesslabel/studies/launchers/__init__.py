"""Where the jobs of a study run: on this machine, or on a cluster."""

from lesslabel.studies.launchers.base import Handle, Launcher
from lesslabel.studies.launchers.local import LocalLauncher

__all__ = ["Handle", "Launcher", "LocalLauncher"]

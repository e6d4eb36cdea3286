"""Launchers of the jobs of a study: this machine or a cluster."""

from lesslabel.studies.launchers.base import Handle, Launcher
from lesslabel.studies.launchers.local import LocalLauncher

__all__ = ["Handle", "Launcher", "LocalLauncher"]

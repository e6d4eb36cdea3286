"""Runs: the folder, the configuration, training, testing and results."""

"""Runs: folder, configuration, training, testing and what they leave behind."""

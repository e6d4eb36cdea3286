"""Checks of a prepared store: errors, safe repairs, and proposed settings."""

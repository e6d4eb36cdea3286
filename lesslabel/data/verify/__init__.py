"""Checks of a prepared store: what is wrong in it, what can be mended, and settings proposed for it."""

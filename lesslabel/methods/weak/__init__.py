"""Weakly supervised methods: scribbles, points and boxes."""

"""Scribbles, points and boxes made from dense labels."""

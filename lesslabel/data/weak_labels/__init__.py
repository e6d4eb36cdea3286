"""Scribbles, points and boxes made from dense labels, and labels spread from scribbles."""

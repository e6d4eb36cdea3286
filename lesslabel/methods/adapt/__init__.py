"""Adapting a trained network to images without labels."""

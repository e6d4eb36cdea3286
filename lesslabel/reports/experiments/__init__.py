"""The figures of experiment folders."""

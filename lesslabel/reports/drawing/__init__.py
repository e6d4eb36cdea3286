"""Charts, overlays and pages, drawn from arrays."""

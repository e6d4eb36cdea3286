"""Learning from weak labels: scribbles, points, boxes."""

"""The page of annotations: what they cost, and what came of it."""

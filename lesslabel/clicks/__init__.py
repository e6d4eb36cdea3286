"""Click protocols: simulated annotators on a trained interactive method, and what their prompts gained."""

"""Cases, the prepared store, splits and budgets, samplers, transforms and the data modules."""

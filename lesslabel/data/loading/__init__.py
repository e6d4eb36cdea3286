"""From a store to batches: the data modules, samplers, crops, resampling and augmentation."""

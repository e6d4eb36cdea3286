"""Load batches from a store: data modules, samplers, crops, resampling and augmentation."""

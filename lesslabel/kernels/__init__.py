"""Fast numeric kernels: arrays in, arrays out."""

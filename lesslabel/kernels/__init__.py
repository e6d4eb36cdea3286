"""Fast numeric kernels: functions from arrays to arrays."""

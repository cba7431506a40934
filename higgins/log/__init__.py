"""The log: flushes batches as objects, finds the pointers of offsets, and serves batches from pointers."""

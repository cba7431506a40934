"""The log: batches to objects, offsets to pointers, pointers to batches."""

"""Record batches as columns, and back. Pure: no clock, no I/O, no knowledge of operators."""

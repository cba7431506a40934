"""Records in and out: Produce, Fetch, ListOffsets, InitProducerId."""

"""The computation engine: operators that derive streams from streams, each epoch committed exactly once."""

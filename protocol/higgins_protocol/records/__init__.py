"""Record batches: headers and checks without decoding, records, control batches, compression. Magic 2 only."""

"""The Kafka wire protocol without I/O: messages, framing and record batches. It knows nothing of the broker."""

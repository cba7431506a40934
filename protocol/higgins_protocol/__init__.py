"""The Kafka wire protocol, sans-IO: messages, framing and record batches. No sockets, no clock, no broker."""

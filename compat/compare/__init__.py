"""The same requests to this broker and to a real Kafka, and their answers compared field by field."""

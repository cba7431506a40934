"""What Kafka's protocol has no word for: one request of ours on the Kafka port, a verb and a JSON document each way."""

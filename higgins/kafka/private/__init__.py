"""The private API: one request of our own on the Kafka port, with a verb and a JSON document in each direction."""

"""kafka-python 2.0.2, which knows no idempotence and fetches with a version in which Kafka has no zstd."""

from kafka_python import KafkaPython


def open_client(bootstrap: str) -> KafkaPython:
    # One request in flight keeps the order of a producer that repeats itself.
    plain = {"max_in_flight_requests_per_connection": 1}
    return KafkaPython(
        bootstrap,
        missing={"idempotence": "kafka-python 2.0.2 has no idempotent producer"},
        idempotence={False: plain},
    )

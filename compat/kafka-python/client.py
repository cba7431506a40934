"""kafka-python 3."""

from kafka_python import KafkaPython


def open_client(bootstrap: str) -> KafkaPython:
    return KafkaPython(
        bootstrap,
        missing={},
        idempotence={False: {"enable_idempotence": False}, True: {"enable_idempotence": True}},
    )

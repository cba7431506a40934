"""A broker inside your test process, for any Kafka client. It starts in milliseconds and leaves nothing behind.

    import higgins.testing

    with higgins.testing.broker(num_partitions=4) as broker:
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)

With pytest, the fixtures `higgins_broker` and `higgins_session_broker` do the same. This package does not need pytest,
and does not contain a Kafka client for your program: use the one that you test with.
"""

from higgins.testing.running import BrokerFault, RunningBroker, broker

__all__ = ["BrokerFault", "RunningBroker", "broker"]

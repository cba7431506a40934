"""A broker in your own test's process, for stock Kafka clients: started in milliseconds, gone without a trace.

    import higgins.testing

    with higgins.testing.broker(num_partitions=4) as broker:
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)

With pytest the same comes as the fixtures `higgins_broker` and `higgins_session_broker`. Not here: anything that pytest
is needed for, and clients; bring the one that you test with.
"""

from higgins.testing.running import BrokerFault, RunningBroker, broker

__all__ = ["BrokerFault", "RunningBroker", "broker"]

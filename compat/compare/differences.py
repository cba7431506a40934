"""Where this broker answers otherwise than Kafka on purpose, each with its reason. Shown by `run.py --all`."""

import re

LISTED: tuple[tuple[str, str, str, str], ...] = (
    (
        "Produce",
        "null records",
        ".*",
        "Kafka 4.2 never answers this request and logs an exception; here it is INVALID_RECORD.",
    ),
    (
        "Produce",
        ".*",
        r".*batch_index_error_message",
        "The sentence about a record is each broker's own; that it is there, and for which records, is compared.",
    ),
    (
        "Produce",
        "not from the start elsewhere",
        r".*error_code",
        "A producer's first batch on a partition does not begin with sequence 0: an earlier one is still on its way. "
        "Kafka takes it and may then lose the order; here it is out of order, and clients send again.",
    ),
    (
        "CreateTopics",
        "three replicas",
        ".*",
        "Any replication factor is taken, since durability is the store's; suites that want three run unchanged.",
    ),
    (
        "CreateTopics|DescribeConfigs",
        ".*",
        r".*\.configs\.length",
        "One config more than Kafka has: higgins.linger.ms.",
    ),
    (
        "DescribeConfigs",
        "all brokers",
        ".*",
        "Kafka 4.2 gives itself min.insync.replicas as a cluster-wide value; nothing is given here until it is set.",
    ),
    (
        "DescribeConfigs",
        "some of a broker",
        r".*read_only",
        "num.partitions and some others can be changed here while brokers run.",
    ),
    (
        "IncrementalAlterConfigs",
        "no such operation",
        r".*error_code",
        "Kafka fails inside (UNKNOWN_SERVER_ERROR); here it is INVALID_REQUEST.",
    ),
    (
        "AlterConfigs",
        "one resource twice",
        ".*",
        "Kafka 4.2 never answers this request; here each row is INVALID_REQUEST.",
    ),
)
"""(API, the case's label, path, reason), the first three as regular expressions of the whole."""


def reason(api: str, label: str, path: str) -> str | None:
    """Why a field may differ; None where it may not."""
    for apis, labels, paths, why in LISTED:
        if re.fullmatch(apis, api) and re.fullmatch(labels, label) and re.fullmatch(paths, path):
            return why
    return None

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
    # ---- what Kafka does not answer, or answers with a fault of its own
    (
        "Produce",
        "codec of (five|seven)",
        r".*error_code",
        "Kafka fails inside (UNKNOWN_SERVER_ERROR); here it is UNSUPPORTED_COMPRESSION_TYPE.",
    ),
    (
        "Metadata",
        "neither id nor name",
        ".*",
        "Kafka fails inside (UNKNOWN_SERVER_ERROR); here it is UNKNOWN_TOPIC_ID, as the id of zeros is nobody's.",
    ),
    (
        "CreatePartitions",
        "far too many, only checked",
        r".*error_code",
        "Kafka fails inside (UNKNOWN_SERVER_ERROR); here it is INVALID_PARTITIONS.",
    ),
    (
        "DescribeTopicPartitions",
        "empty (name|beside good)",
        r".*error_code",
        "Kafka fails inside (UNKNOWN_SERVER_ERROR) for all topics; here the empty one is INVALID_TOPIC_EXCEPTION.",
    ),
    (
        "IncrementalAlterConfigs",
        "a negative operation",
        r".*error_code",
        "Kafka fails inside (UNKNOWN_SERVER_ERROR); here it is INVALID_REQUEST.",
    ),
    (
        "Fetch",
        "negative (in all|of a partition)",
        r".*error_code",
        "Kafka fails inside (UNKNOWN_SERVER_ERROR); here no bytes are meant, and the first batch comes whole.",
    ),
    (
        "Fetch|ListOffsets",
        "an odd isolation",
        ".*",
        "Kafka fails inside (UNKNOWN_SERVER_ERROR); here whatever is not read_committed is read_uncommitted.",
    ),
    (
        "JoinGroup",
        "one protocol twice",
        ".*",
        "Kafka fails inside and answers nothing, or UNKNOWN_SERVER_ERROR; here the first of the two counts.",
    ),
    # ---- rows
    (
        "Fetch|ListOffsets|DeleteRecords|Produce",
        "(nothing|one byte in all) of two|one byte in all, the first empty|(a partition|a topic) twice|"
        "a partition in two rows|good beside (beyond|bad)|no partitions|a topic without partitions",
        r".*\.length",
        "A topic named twice has two rows, each as it was asked, and one without partitions an empty row; Kafka puts "
        "the rows of a topic together, and of a partition asked for twice answers (and writes) the last.",
    ),
    (
        "DescribeGroups",
        "(unknown )?twice",
        r"groups\.length",
        "A group named twice has one row; Kafka repeats the row, which may be long. Clients find rows by their names.",
    ),
    # ---- records
    (
        "Produce",
        "gzip that is none|codec .*, broken, right CRC",
        r".*error_code",
        "Kafka fails inside (UNKNOWN_SERVER_ERROR); here a batch that cannot be decompressed is INVALID_RECORD.",
    ),
    (
        "Produce",
        "(an offset delta of one|a negative offset delta), codec .*",
        r".*error_code",
        "The offsets in a batch are consecutive. Kafka stores other ones unseen if nothing is compressed, and fails "
        "inside (UNKNOWN_SERVER_ERROR) otherwise; here they are INVALID_RECORD.",
    ),
    (
        "Produce",
        "a (key|value) of length -2, codec .*",
        r".*error_code",
        "-1 is the length of null, and no client writes another negative length. Kafka takes each for null; here they "
        "are INVALID_RECORD.",
    ),
    (
        "Produce",
        "a record longer than the batch, codec [123]",
        r".*error_code",
        "Kafka does not notice that the last record of a compressed batch is cut off; here it is INVALID_RECORD.",
    ),
    (
        "Produce",
        "codec ZSTD, broken, wrong CRC",
        r".*error_code",
        "Two things are wrong: the checksum is looked at first, in Kafka the codec that the version does not have.",
    ),
    (
        "Produce",
        "junk behind|half a batch behind",
        r".*error_code",
        "Kafka drops what stands behind the first batch and says that all is well; here nothing is dropped unsaid.",
    ),
    (
        "Produce",
        "transactional (without a producer|control)",
        r".*error_code",
        "Transactions are not served yet: such a batch is INVALID_RECORD, whoever sends it.",
    ),
    (
        "Produce",
        "a (negative )?base offset.*|(fewer|more|no) records( than)? said|a negative count|last offset .*|control|"
        "a producer without a sequence",
        r".*log_start_offset",
        "Beside a batch that is refused for its header Kafka tells where the log starts; here only beside single "
        "records that are at fault, and beside sequences, where clients look for it.",
    ),
    (
        "Produce",
        "(.* )?again|the first once more",
        r".*log_append_time_ms",
        "Beside a repeat Kafka tells the greatest time of the batch, though that is not the log's; here there is none.",
    ),
    (
        "Produce",
        "the (sixth last|first) again|more than one|back to zero",
        r".*error_code",
        "What was written longer ago than five batches is DUPLICATE_SEQUENCE_NUMBER, which clients take for written; "
        "Kafka calls it out of order.",
    ),
    (
        "Produce",
        "half of one",
        r".*error_code",
        "A part of a batch that was written is known again as a repeat: librdkafka leaves out what has timed out.",
    ),
    (
        "Produce",
        "a producer without an epoch",
        r".*error_code",
        "Kafka takes a producer id without an epoch; here it is INVALID_RECORD.",
    ),
    (
        "Fetch",
        "two batches and a half",
        r".*records",
        "Only whole batches are served; Kafka cuts the last one off where the bytes end, and clients throw it away.",
    ),
    (
        "Fetch",
        "session 5 epoch 0",
        r".*session_id",
        "Fetch sessions are not served yet: the answer names none, and the client goes on without.",
    ),
    (
        "ListOffsets",
        "all deleted at -3",
        ".*",
        "Kafka still names the newest record when all are deleted; here there is none.",
    ),
    # ---- topics, configs, groups, and the rest
    (
        "Metadata",
        "unknown, to be created",
        r".*error_code",
        "A topic that is made by being asked for is there at once; in Kafka the next request finds it.",
    ),
    (
        "CreateTopics",
        "no time",
        r".*error_code",
        "Kafka gives up before it begins (REQUEST_TIMED_OUT), and makes the topic; here the answer follows the commit.",
    ),
    (
        "DescribeConfigs",
        "a broker with zeros",
        ".*",
        "A broker's id is a number without zeros in front; Kafka takes them, and answers as if there were none.",
    ),
    (
        "DescribeConfigs",
        "fixed of a broker",
        r".*read_only",
        "The bounds of session timeouts can be changed here while brokers run.",
    ),
    (
        "IncrementalAlterConfigs",
        "unknown of a broker",
        r".*error_code",
        "Kafka keeps whatever a broker is given, for plugins of its own; here an unknown name is INVALID_CONFIG.",
    ),
    (
        "IncrementalAlterConfigs",
        "malformed of (a broker|all brokers|metrics)|unknown of metrics",
        r".*error_code",
        "A config at fault is INVALID_CONFIG for every kind of resource; Kafka says INVALID_REQUEST for these.",
    ),
    (
        "OffsetFetch|DeleteGroups",
        "a long group id",
        ".*",
        "A group's id has at most 1024 characters here (INVALID_GROUP_ID); in Kafka as many as a request can hold.",
    ),
    (
        "DeleteGroups",
        "turned away",
        r".*error_code",
        "Kafka keeps an empty group for who was turned away at its door for a while; here nobody knows such a group.",
    ),
    (
        "AlterClientQuotas",
        "one|nobody|no such (entity|quota)",
        r".*error_code",
        "Quotas are not enforced yet, so every one of them is refused with POLICY_VIOLATION, whatever else is wrong.",
    ),
    (
        "ApiVersions",
        "a name that is no UTF-8",
        ".*",
        "Names are UTF-8, so these bytes are no request, and the connection ends; Kafka reads question marks instead.",
    ),
)
"""(API, the case's label, path, reason), the first three as regular expressions of the whole."""


def reason(api: str, label: str, path: str) -> str | None:
    """Why a field may differ; None where it may not."""
    for apis, labels, paths, why in LISTED:
        if re.fullmatch(apis, api) and re.fullmatch(labels, label) and re.fullmatch(paths, path):
            return why
    return None

"""Kafka's default partitioner for records with a key: murmur2, as the Java client computes it.

Both clients must put a key into the same partition, or records of one key would lose their order.
"""

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995
_SEED = 0x9747B28C


def murmur2(data: bytes) -> int:
    """The unsigned 32-bit murmur2 hash with Kafka's seed."""
    length = len(data)
    state = (_SEED ^ length) & _MASK
    whole_words = length & ~3
    for position in range(0, whole_words, 4):
        word = int.from_bytes(data[position : position + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> 24) * _MULTIPLIER & _MASK
        state = (state * _MULTIPLIER & _MASK) ^ word
    tail = data[whole_words:]
    if tail:
        state = (state ^ int.from_bytes(tail, "little")) * _MULTIPLIER & _MASK
    state = (state ^ state >> 13) * _MULTIPLIER & _MASK
    return state ^ state >> 15


def partition_of_key(key: bytes, partition_count: int) -> int:
    """The partition of a key in a topic with this many partitions."""
    # Java's hash is signed; its client clears the sign bit to make it positive.
    return (murmur2(key) & 0x7FFFFFFF) % partition_count

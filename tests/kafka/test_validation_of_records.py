"""Validation of a batch at its exact bounds: timestamps, keys, and what may be done at once."""

import msgspec
import pytest

from higgins.admin.configs.live import AppendRules
from higgins.kafka.records.validation import RECORDS_MAX, RECORDS_NAMED_MAX, Allowance, RecordsRefused, Validation
from higgins_protocol.errors import ErrorCode
from higgins_protocol.records.batch import read_header
from higgins_protocol.records.record import Record, encode_batch

NOW_MS = 1_000_000
RULES = AppendRules(
    batch_bytes_max=1 << 20,
    stamps=False,
    timestamp_before_max_ms=1_000,
    timestamp_after_max_ms=2_000,
    wants_keys=False,
    linger_ms=None,
)
COMPACTED = msgspec.structs.replace(RULES, wants_keys=True)
STAMPED = msgspec.structs.replace(RULES, stamps=True)
EARLIEST, LATEST = NOW_MS - 1_000, NOW_MS + 2_000


def validation(records: list[Record], rules: AppendRules = RULES) -> Validation:
    batch = memoryview(encode_batch(records))
    return Validation(read_header(batch), batch, rules, NOW_MS)


def records(*timestamps: int, key: bytes | None = b"k") -> list[Record]:
    return [Record(offset=n, timestamp=at, key=key, value=b"v") for n, at in enumerate(timestamps)]


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize(
    ("timestamps", "refused"),
    [
        ([EARLIEST, LATEST], []),
        ([EARLIEST, EARLIEST - 1, NOW_MS], [1]),
        ([LATEST, NOW_MS, LATEST + 1], [2]),
        ([EARLIEST - 1, LATEST + 1, EARLIEST, LATEST], [0, 1]),
        ([-1, -1], []),
        ([-1, NOW_MS, EARLIEST - 1], [2]),
        ([NOW_MS, -1, LATEST + 1, -1], [2]),
    ],
)
def test_the_bounds_of_timestamps_belong_to_what_is_accepted(
    timestamps: list[int], refused: list[int], in_thread: bool
) -> None:
    def run(rules: AppendRules) -> None:
        valid = validation(records(*timestamps), rules)
        if in_thread:
            valid.finish()
        else:
            assert valid.attempt(Allowance())
        assert valid.result[0].record_count == len(timestamps)

    run(STAMPED)
    if not refused:
        run(RULES)
        return
    with pytest.raises(RecordsRefused) as caught:
        run(RULES)
    assert (caught.value.code, list(caught.value.indexes)) == (ErrorCode.INVALID_TIMESTAMP, refused)


@pytest.mark.parametrize("rules", [COMPACTED, msgspec.structs.replace(COMPACTED, stamps=True)])
@pytest.mark.parametrize("count", [1, RECORDS_NAMED_MAX, RECORDS_NAMED_MAX + 1])
def test_a_refusal_names_a_limited_number_of_records(rules: AppendRules, count: int) -> None:
    with pytest.raises(RecordsRefused) as caught:
        validation(records(*[NOW_MS] * count, key=None), rules).finish()
    assert caught.value.code is ErrorCode.INVALID_RECORD
    assert list(caught.value.indexes) == list(range(min(count, RECORDS_NAMED_MAX)))


def test_work_at_once_takes_from_the_allowance_until_none_is_left() -> None:
    allowance = Allowance()
    different = [Record(offset=n, timestamp=NOW_MS, key=b"k" * (n % 7), value=b"v" * n) for n in range(60)]
    attempts = 0
    while validation(different).attempt(allowance):
        attempts += 1
        assert attempts <= RECORDS_MAX
    assert attempts > 1 and allowance.records <= 0
    left = validation(different)
    assert not left.attempt(allowance)
    left.finish()
    assert left.result[0].record_count == 60

"""Kafka's error codes against an independent list, and the text of our exceptions."""

from kio.schema.errors import ErrorCode as TheirErrorCode

from higgins_protocol.errors import DecodeError, ErrorCode


def test_every_code_of_kafka_has_its_name_and_number() -> None:
    ours = {code.name: int(code) for code in ErrorCode}
    assert ours == {code.name.upper(): int(code) for code in TheirErrorCode}


def test_a_decode_error_names_field_position_and_cause() -> None:
    error = DecodeError("length -2", field="MetadataRequest v1.topics", position=14)
    assert str(error) == "MetadataRequest v1.topics at byte 14: length -2"

"""DescribeConfigs: v1-4. The config entries of topics, brokers, groups and other resources.

Version notes: v1 adds synonyms and sources; v3 types and documentation; v4 is flexible.
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Int8, Int16, Int32, String
from higgins_protocol.schema import Message, ignorable, since


class DescribeConfigsResource(Message, frozen=True):
    resource_type: Int8 = 0
    resource_name: String = ""
    configuration_keys: Sequence[String] | None = []


class DescribeConfigsRequest(Message, frozen=True):
    resources: Sequence[DescribeConfigsResource] = []
    include_synonyms: Bool = False
    include_documentation: Annotated[Bool, since(3)] = False


class DescribeConfigsSynonym(Message, frozen=True):
    name: String = ""
    value: String | None = ""
    source: Int8 = 0


class DescribeConfigsResourceResult(Message, frozen=True):
    name: String = ""
    value: String | None = ""
    read_only: Bool = False
    config_source: Int8 = -1
    is_sensitive: Bool = False
    synonyms: Sequence[DescribeConfigsSynonym] = []
    config_type: Annotated[Int8, since(3), ignorable] = 0
    documentation: Annotated[String | None, since(3), ignorable] = ""


class DescribeConfigsResult(Message, frozen=True):
    error_code: Int16 = 0
    error_message: String | None = ""
    resource_type: Int8 = 0
    resource_name: String = ""
    configs: Sequence[DescribeConfigsResourceResult] = []


class DescribeConfigsResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    results: Sequence[DescribeConfigsResult] = []


API = Api(
    key=32,
    request=DescribeConfigsRequest,
    response=DescribeConfigsResponse,
    versions=(1, 4),
    flexible_from=4,
)

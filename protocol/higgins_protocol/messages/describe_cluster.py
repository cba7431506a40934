"""DescribeCluster: v0-2. The nodes of the cluster and its id.

Version notes: v1 adds the endpoint type (KIP-919); v2 fenced brokers (KIP-1073).
"""

from collections.abc import Sequence
from typing import Annotated

from higgins_protocol.api import Api
from higgins_protocol.primitives import Bool, Int8, Int16, Int32, String
from higgins_protocol.schema import Message, since


class DescribeClusterRequest(Message, frozen=True):
    include_cluster_authorized_operations: Bool = False
    endpoint_type: Annotated[Int8, since(1)] = 1
    include_fenced_brokers: Annotated[Bool, since(2)] = False


class DescribeClusterBroker(Message, frozen=True):
    broker_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    rack: String | None = None
    is_fenced: Annotated[Bool, since(2)] = False


class DescribeClusterResponse(Message, frozen=True):
    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    error_message: String | None = None
    endpoint_type: Annotated[Int8, since(1)] = 1
    cluster_id: String = ""
    controller_id: Int32 = -1
    brokers: Sequence[DescribeClusterBroker] = []
    cluster_authorized_operations: Int32 = -0x80000000


API = Api(
    key=60,
    request=DescribeClusterRequest,
    response=DescribeClusterResponse,
    versions=(0, 2),
    flexible_from=0,
)

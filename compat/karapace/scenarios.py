"""Karapace: a schema registry whose schemas are records of a compacted topic, and whose leader is a group's."""

import sys
import time

from registry import free_port, remembers
from telling import scenario


@scenario("schemas-in-a-topic")
def schemas_in_a_topic(bootstrap: str) -> None:
    stamp, port = time.time_ns(), str(free_port())
    settings = {
        "BOOTSTRAP_URI": bootstrap,
        "HOST": "127.0.0.1",
        "PORT": port,
        "ADVERTISED_HOSTNAME": "127.0.0.1",
        "ADVERTISED_PORT": port,
        "KARAPACE_REGISTRY": "true",
        "KARAPACE_REST": "false",
        "TOPIC_NAME": f"schemas-{stamp}",
        "GROUP_ID": f"registry-{stamp}",
        "WAITING_TIME_BEFORE_ACTING_AS_MASTER_MS": "500",
        "LOG_LEVEL": "WARNING",
    }
    environment = {f"KARAPACE_{name}": value for name, value in settings.items()}
    # Releases before 5 have no second prefix for the names that begin with one.
    environment |= {"KARAPACE_REGISTRY": "true", "KARAPACE_REST": "false"}
    remembers([sys.executable, "-m", "karapace"], environment, f"http://127.0.0.1:{port}")

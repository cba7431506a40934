"""Apicurio Registry: every change is a record of a journal topic, from which each node builds a database in memory."""

import os
import time
from pathlib import Path

from registry import free_port, remembers
from telling import scenario


@scenario("schemas-in-a-topic")
def schemas_in_a_topic(bootstrap: str) -> None:
    stamp, port = time.time_ns(), str(free_port())
    environment = {
        "APICURIO_STORAGE_KIND": "kafkasql",
        "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS": bootstrap,
        "APICURIO_KAFKASQL_TOPIC": f"journal-{stamp}",
        "APICURIO_KAFKASQL_SNAPSHOTS_TOPIC": f"snapshots-{stamp}",
        "APICURIO_EVENTS_KAFKA_TOPIC": f"events-{stamp}",
        "QUARKUS_HTTP_HOST": "127.0.0.1",
        "QUARKUS_HTTP_PORT": port,
        "QUARKUS_LOG_LEVEL": "WARN",
    }
    (jar,) = Path(os.environ["APICURIO_FOLDER"]).glob("*-runner.jar")
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", "-jar", str(jar)]
    remembers(command, environment, f"http://127.0.0.1:{port}/apis/ccompat/v7")

"""The adapter to Java's kafka-clients: the driver in src, compiled by run.sh against the release under trial."""

import os

from driver import DrivenClient

# Short-lived machines: compile little, collect simply, and say only what went wrong.
MACHINE = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")


def open_client(bootstrap: str) -> DrivenClient:
    return DrivenClient(["java", *MACHINE, "-cp", os.environ["JAVA_CLASSPATH"], "Driver"], bootstrap, missing={})

"""Where this broker answers otherwise than Kafka on purpose, each with its reason. Shown by `run.py --all`."""

import re

LISTED: tuple[tuple[str, str, str, str], ...] = ()
"""(API, the case's label, path, reason), the first three as regular expressions of the whole."""


def reason(api: str, label: str, path: str, here: object, there: object) -> str | None:
    """Why a field may differ; None where it may not."""
    for apis, labels, paths, why in LISTED:
        if re.fullmatch(apis, api) and re.fullmatch(labels, label) and re.fullmatch(paths, path):
            return why
    return None

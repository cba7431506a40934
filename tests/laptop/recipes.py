"""Dockerfile and docker-compose.yml as data, read as far as ours use them."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Stage:
    """One image of a Dockerfile: what it builds on, and its instructions in order."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """What follows each instruction of a kind."""
        return [rest for found, rest in self.instructions if found == word]

    def last(self, word: str) -> str:
        """What follows the last of a kind, which is the one that counts; empty when there is none."""
        return (self.all(word) or [""])[-1]

    def command(self, word: str) -> list[str]:
        """The words of CMD or ENTRYPOINT, which have to be in the form that needs no shell."""
        found: list[str] = json.loads(self.last(word) or "[]")
        return found

    def environment(self) -> dict[str, str]:
        pairs = " ".join(self.all("ENV")).split()
        return dict(pair.split("=", 1) for pair in pairs)


def stages(text: str) -> dict[str, Stage]:
    """The images of a Dockerfile by their names, which all of ours have."""
    found: dict[str, Stage] = {}
    without_comments = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in without_comments.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        word, rest = line.split(None, 1)
        if word == "FROM":
            matched = re.fullmatch(r"(\S+) AS (\S+)", rest)
            assert matched, f"every image has a name: {line}"
            stage = Stage(matched[2], matched[1])
            found[stage.name] = stage
        else:
            stage.instructions.append((word, re.sub(r"\s+", " ", rest) if word != "CMD" else rest))
    return found


def dockerfile() -> dict[str, Stage]:
    return stages((ROOT / "Dockerfile").read_text())


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found

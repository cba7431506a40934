"""`python -m higgins.kafka.configs` prints the page of all config entries."""

from higgins.kafka.configs.document import as_markdown

print(as_markdown(), end="")

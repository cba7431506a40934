"""SQL's scalar expressions over JSON values: text to nodes to Python that was generated, never to text that is run."""

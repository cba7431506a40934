"""kafka-python is imported here once, before the tests: it reads its message files through a corner of importlib that
newer Pythons call deprecated, and the warning is not ours to mend."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka.protocol.admin
    import kafka.protocol.consumer
    import kafka.protocol.metadata
    import kafka.protocol.producer  # noqa: F401  # all four are imported for what importing them does

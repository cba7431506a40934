"""The APIs of consumer groups: what goes over the wire, version by version. What it means is in `higgins.groups`."""

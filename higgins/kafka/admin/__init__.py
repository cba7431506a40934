"""What tools ask of a cluster of replicas, answered by one that has none: sizes, elections, reassignments."""

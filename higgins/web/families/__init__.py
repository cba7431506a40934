"""Metric families by subject. Functions run on the event loop and yield each family when it is complete; one that grows
with the cluster is also yielded after every few hundred rows. The loop may run other tasks between two yields, so no
function keeps iterating over a collection that a commit can change."""

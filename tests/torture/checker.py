"""Checks a torture history (see history.py) for the anomalies a Kafka log must not show. Standard library only.

usage: python -m tests.torture.checker HISTORY.jsonl [--allow NAME,NAME] [--json] [--max 3]
Exit status 1 on a violation.

The anomaly names follow Jepsen's Kafka workload where it has one; the code is our own, from the definitions.
Time O(R + S log S) for R records read and S sent; about 0.3 KB of memory per distinct value.
"""

import argparse
import collections
import json
import sys

from tests.torture.deletion_checks import DeletionChecks
from tests.torture.growth_checks import GrowthChecks
from tests.torture.history import load
from tests.torture.log_checks import LogChecks
from tests.torture.pipeline_checks import PipelineChecks

# Reported, but no violations: Kafka allows them for producers without idempotence, and for records never read.
ALLOWED = {"duplicate-plain", "G0", "unseen"}


class Checker(LogChecks, PipelineChecks, DeletionChecks, GrowthChecks):
    """All checks of one history."""

    def check(self):
        """Run every check and return the report."""
        self.where = collections.defaultdict(list)  # value -> [(k, offset)], but for derived topics, which repeat them
        for k, log in self.log.items():
            if self.is_derived(k):
                continue
            for o in sorted(log):
                self.where[log[o]].append((k, o))
        for c in (
            self.c_values,
            self.c_acks,
            self.c_txns,
            self.c_order,
            self.c_polls,
            self.c_gaps,
            self.c_watermarks,
            self.c_deletions,
            self.c_log_starts,
            self.c_deleted_reads,
            self.c_counts,
            self.c_last_counts,
            self.c_refused_sends,
            self.c_placement,
            self.c_notice,
            self.c_stalls,
            self.c_groups,
            self.c_eos,
            self.c_derived,
            self.c_cycles,
            self.c_lag,
        ):
            c()
        return self.report()

    def report(self):
        """The number and examples of each anomaly, and the time from acknowledgements to first reads."""

        def q(f):
            if not self.lag:
                return None
            return round(max(0, self.lag[min(len(self.lag) - 1, int(f * len(self.lag)))]) / 1e6, 3)

        return {
            "counts": dict(self.counts),
            "examples": {k: v for k, v in self.errors.items() if v},
            "stats": dict(self.stats),
            "visible_ms": {"p50": q(0.5), "p99": q(0.99), "max": q(1)},
            "longest_rebalance_s": round(self.longest_stall_ns / 1e9, 3),
            "sends": len(self.sends),
            "txns": len(self.txns),
        }


def check(events, allow=(), max_examples=3, topics_with_gaps=()):
    c = Checker(max_examples, topics_with_gaps)
    for ev in events:
        c.feed(ev)
    r = c.check()
    r["violations"] = sorted(k for k in r["counts"] if k not in ALLOWED and k not in set(allow))
    r["valid"] = not r["violations"]
    return r


def main():
    a = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    a.add_argument("history")
    a.add_argument("--allow", default="")
    a.add_argument("--max", type=int, default=3)
    a.add_argument("--gaps-ok", default="", help="topics whose offsets may have gaps (compacted)")
    a.add_argument("--json", action="store_true")
    a = a.parse_args()
    r = check(load(a.history), [x for x in a.allow.split(",") if x], a.max, [x for x in a.gaps_ok.split(",") if x])
    if a.json:
        print(json.dumps(r, indent=1))
    else:
        print("valid" if r["valid"] else "INVALID: " + ", ".join(r["violations"]))
        print(f"sends {r['sends']}  txns {r['txns']}  visible_ms {r['visible_ms']}")
        print(f"longest rebalance {r['longest_rebalance_s']} s")
        print("stats", r["stats"])
        for k, n in sorted(r["counts"].items()):
            print(f"{k:<22} {n:>6}{'' if k in r['violations'] else '  (allowed)'}")
            for x in r["examples"].get(k, ()):
                print("    ", json.dumps(x))
    return 0 if r["valid"] else 1


if __name__ == "__main__":
    sys.exit(main())

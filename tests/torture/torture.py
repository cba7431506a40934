"""Black-box test of any Kafka-compatible broker with confluent-kafka (librdkafka) clients. It writes a history and,
unless --no-check, checks it with checker.py. Faults are injected by other programs: nemesis.py, run.py, your shell.

usage: python -m tests.torture.torture --bootstrap HOST:PORT[,...] [--seconds 30] [--out history.jsonl] [--derived]
       [--configs] [--grow] [--trim] [--plain 1] [--idem 2] [--txn 2] [--eos 2] [--assign 2] [--group 2] [--rate 200]
       [--crash-every 5]

Topics (created if missing): PREFIX-plain (plain and idempotent producers: no transactions, so its offsets must have no
gaps), PREFIX-txn (transactional producers), PREFIX-eos (written by the copiers from PREFIX-plain), and with --derived
PREFIX-derived (the output of a filter in the broker on PREFIX-plain). With --grow, partitions are added to PREFIX-plain
while it is in use; with --trim, records are deleted from PREFIX-trimmed and from no other topic.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.torture.checker import main as check
from tests.torture.configurer import Configurer
from tests.torture.deleter import Deleter
from tests.torture.grower import Grower
from tests.torture.readers import Readers
from tests.torture.writers import Writers

APPLY_PATIENCE_S = 60
TOPICS_PATIENCE_S = 60


class Run(Writers, Readers, Configurer, Grower, Deleter):
    """One run: create topics, run the roles, let the cluster recover, and read everything at the end."""

    def topics(self):
        """Create the topics, with retries until each exists: brokers may already be killed."""
        if self.a.grow:
            self.h.add("grow", id=0, topic=self.plain, n=self.a.partitions)
        ad, deadline = AdminClient(self.conf()), time.time() + TOPICS_PATIENCE_S
        missing = [t for t in self.topics_read() if t != self.derived]
        while missing:
            new = [NewTopic(t, self.a.partitions, self.a.replication) for t in missing]
            for t, f in ad.create_topics(new, operation_timeout=20).items():
                try:
                    f.result(20)
                except KafkaException as e:
                    if e.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        print("create", t, e, file=sys.stderr)
                        continue
                missing.remove(t)
            if missing and time.time() > deadline:
                sys.exit(f"the topics cannot be made: {', '.join(missing)}")
            time.sleep(0.5)
        if self.a.grow:
            self.h.add("grown", id=0, ok=1)

    def apply(self):
        """Apply a topography that derives PREFIX-derived from PREFIX-plain, with retries until it succeeds."""
        text = f"""
[streams.{self.plain}]
partitions = {self.a.partitions}

[streams.{self.derived}]
base = "{self.plain}"
type = "filter"
where = "qty > 5"
"""
        command = [sys.executable, "-m", "higgins", "apply", "-", "--bootstrap", self.a.bootstrap.split(",")[0]]
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "topography.toml"
            file.write_text(text)
            command[4] = str(file)
            deadline = time.time() + APPLY_PATIENCE_S
            while (done := subprocess.run(command, capture_output=True, text=True, check=False)).returncode:
                if time.time() > deadline:
                    sys.exit(f"the topography cannot be applied: {done.stderr.strip() or done.stdout.strip()}")
                time.sleep(0.5)
        self.h.add("derived", **{"in": self.plain, "out": self.derived})

    def caught_up(self):
        """Wait until the operator's committed input offsets are the ends of its input."""
        co = Consumer(self.conf(**{"group.id": f"higgins.op.{self.derived}", "enable.auto.commit": False}))
        deadline, behind = time.time() + self.a.final_timeout, True
        partitions = [TopicPartition(self.plain, q) for q in range(self.partitions(self.plain))]
        while behind and time.time() < deadline:
            try:
                ends = [co.get_watermark_offsets(tp, 5, cached=False)[1] for tp in partitions]
                behind = [max(tp.offset, 0) for tp in co.committed(partitions, 10)] != ends
            except KafkaException:
                pass
            time.sleep(0.2)
        co.close()
        return not behind

    def run(self):
        """Run everything. Returns the failures of the run itself, such as stuck clients."""
        a = self.a
        self.topics()
        if self.derived:
            self.apply()
        self.h.add("eos", g=a.prefix + "-eos-group", **{"in": [self.plain], "out": [self.eos]})
        writers = [self.spawn(self.writer, f"w{i}", False) for i in range(a.plain)]
        writers += [self.spawn(self.writer, f"i{i}", True) for i in range(a.idem)]
        writers += [self.spawn(self.txn_writer, f"t{i}") for i in range(a.txn)]
        copiers = [self.spawn(self.copier, f"e{i}") for i in range(a.eos)]
        readers = [self.spawn(self.assigner, f"r{i}", ("rc", "ru")[i % 2]) for i in range(a.assign)]
        readers += [self.spawn(self.member, f"g{i}") for i in range(a.group)]
        readers += [self.spawn(self.prober)]
        administrators = [self.spawn(self.configurer)] if a.configs else []
        if a.grow:
            writers.append(self.spawn(self.writer, "k0", True, None, True))
            administrators.append(self.spawn(self.grower))
            readers.append(self.spawn(self.counter))
        if a.trim:
            writers += [self.spawn(self.writer, f"d{i}", bool(i), self.trimmed) for i in range(2)]
            administrators += [self.spawn(self.deleter, f"x{i}") for i in range(2)]
            readers += [self.spawn(self.trimmed_reader, f"l{i}") for i in range(2)]
        time.sleep(a.seconds)
        self.writers_on = False
        for t in writers + copiers + administrators:
            t.join(60)
        for i in range(a.txn + a.eos):  # a new producer with the same id ends its open transaction
            tid = f"t{i}" if i < a.txn else f"e{i - a.txn}"
            for _ in range(5):
                try:
                    Producer(self.conf(**{"transactional.id": a.prefix + tid})).init_transactions(20)
                    break
                except KafkaException as e:
                    self.h.add("nemesis", takeover=tid, error=e.args[0].name())
                    time.sleep(1)
        time.sleep(a.settle)
        self.readers_on = False
        for t in readers:
            t.join(30)
        co = Consumer(self.conf(**{"group.id": a.prefix + "-eos-group", "enable.auto.commit": False}))
        try:
            self.fetch_offsets(co, a.prefix + "-eos-group", (self.plain,))
        except KafkaException as e:
            self.failed.append(f"final offset fetch: {e!r}")
        co.close()
        if a.grow:
            self.count_finally()
        if self.derived and not self.caught_up():
            self.failed.append("the operator did not reach the end of its input")
        done = [
            self.final(t, q, iso)
            for t in self.topics_read()
            for q in range(self.partitions(t))
            for iso in ("ru", "rc")
        ]
        frames = sys._current_frames()
        stuck = [f"{t.name} in {traceback.format_stack(frames[t.ident])[-1]}" for t in self.threads if t.is_alive()]
        self.h.close()
        return {"roles_failed": self.failed, "stuck": stuck, "final_reads_incomplete": done.count(False)}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--bootstrap", required=True)
    p.add_argument("--prefix", default=f"tt{int(time.time() % 1e6)}-{os.getpid()}")
    p.add_argument("--out", default="history.jsonl")
    p.add_argument("--seconds", type=float, default=30)
    p.add_argument("--settle", type=float, default=3)
    p.add_argument("--final-timeout", type=float, default=30)
    p.add_argument("--partitions", type=int, default=3)
    p.add_argument("--replication", type=int, default=1)
    p.add_argument("--rate", type=float, default=200, help="records per second of each writer")
    p.add_argument("--crash-every", type=float, default=5, help="mean seconds until a client crashes")
    p.add_argument("--strategy", default="cooperative-sticky")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--set", action="append", default=[], help="client setting, name=value (TLS, SASL, ...)")
    for role, n in (("plain", 1), ("idem", 2), ("txn", 2), ("eos", 2), ("assign", 2), ("group", 2)):
        p.add_argument("--" + role, type=int, default=n)
    p.add_argument("--derived", action="store_true", help="derive a topic with an operator, and check it")
    p.add_argument("--configs", action="store_true", help="change a config entry during the run, and read it")
    p.add_argument("--grow", action="store_true", help="add partitions to the plain topic while it is in use")
    p.add_argument("--trim", action="store_true", help="delete records of a separate topic while it is written")
    p.add_argument("--no-check", action="store_true")
    p.add_argument("--allow", default="")
    a = p.parse_args()
    pathlib.Path(a.out).write_text("")
    out = Run(a).run()
    print(out)
    if a.no_check:
        return 0
    sys.argv = ["checker.py", a.out, "--allow", a.allow]
    return check() or (2 if out["stuck"] or out["roles_failed"] or out["final_reads_incomplete"] else 0)


if __name__ == "__main__":
    sys.exit(main())

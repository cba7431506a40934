"""What all roles share: client settings, client names, and events for the history."""

import json
import threading
import zlib

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.torture.history import History
from tests.torture.pipeline_checks import quantity

# Delivery errors after which the record is certainly not in the log.
# (Not _PURGE_QUEUE: a record waiting for its retry may already have been written; the Python client hides the
# rd_kafka_message_status that would tell.)
NOT_WRITTEN = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.INVALID_MSG,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError._INVALID_ARG,
}


def encode(v, pad):
    """A value as JSON, with its own checksum and a quantity for the filter under test."""
    padding = "x" * pad
    return json.dumps({"v": v, "qty": quantity(v), "pad": padding, "crc": checksum(v, padding)}).encode()


def decode(raw):
    """The value of a payload; None when it is damaged, which the checker reports as corrupt."""
    try:
        body = json.loads(raw)
        v = body["v"]
        whole = body["crc"] == checksum(v, body["pad"]) and body["qty"] == quantity(v)
    except (ValueError, TypeError, KeyError):
        return None
    return v if whole else None


def checksum(v, padding):
    return zlib.crc32(f"{v}|{padding}".encode())


METADATA_AGE_MS = 2000
"""How often clients refresh metadata, and so how soon they see new partitions."""


class Clients:
    """The settings and the history of one run."""

    def __init__(self, a):
        self.a, self.h = a, History(a.out)
        self.writers_on, self.readers_on = True, True
        self.plain, self.txn, self.eos = (a.prefix + x for x in ("-plain", "-txn", "-eos"))
        self.derived = a.prefix + "-derived" if a.derived else None
        self.trimmed = a.prefix + "-trimmed" if a.trim else None
        self.addresses = a.bootstrap.split(",")
        self.counts = {}  # topic -> partitions that were acknowledged, where they are not those of the start
        self.ends = {}  # partition -> where what was acknowledged ends
        self.threads, self.failed = [], []
        self.serial, self.serial_lock = {}, threading.Lock()

    def topics_read(self):
        """The topics to read; transactional ones only if there are transactional producers."""
        wanted = ((self.plain, True), (self.txn, self.a.txn), (self.eos, self.a.eos), (self.derived, self.derived))
        return [topic for topic, is_written in (*wanted, (self.trimmed, self.trimmed)) if is_written]

    def partitions(self, topic):
        """The number of partitions that a topic certainly has; a derived topic has as many as its input."""
        return self.counts.get(self.plain if topic == self.derived else topic, self.a.partitions)

    def conf(self, **kw):
        c = {
            "bootstrap.servers": self.a.bootstrap,
            "socket.timeout.ms": 10000,
            "log_level": 0,
            "reconnect.backoff.max.ms": 1000,
            "topic.metadata.refresh.interval.ms": METADATA_AGE_MS,
            "error_cb": lambda e: None,
        }
        c.update(dict(x.split("=", 1) for x in self.a.set))
        c.update(kw)
        return c

    def name(self, base):
        with self.serial_lock:
            self.serial[base] = self.serial.get(base, -1) + 1
            return f"{base}.{self.serial[base]}"

    def spawn(self, f, *args):
        def body():
            try:
                f(*args)
            except Exception as e:  # a dead role must not pass for a quiet one
                self.failed.append(f"{f.__name__}{args!r}: {e!r}")
                self.h.add("nemesis", died=f.__name__, error=repr(e))

        t = threading.Thread(target=body, daemon=True, name=f.__name__)
        t.start()
        self.threads.append(t)
        return t

    def send(self, producer, p, seq, topic, part, rng, tx=None, src=None, key=None):
        """One produce: logs the invocation, and the completion from the delivery report. With a key the client chooses
        the partition."""
        v = f"{p}/{seq}{'<' + src if src else ''}"
        k, i = f"{topic}:{'?' if key else part}", self.h.id()
        self.h.add("send", id=i, p=p, k=k, v=v, tx=tx, **({"key": key} if key else {}))

        def report(err, msg):
            q = msg.partition()  # None if it never came to be chosen
            chosen = {"k": f"{topic}:{q}"} if key and q is not None else {}
            if err is None:
                where = chosen.get("k", k)
                self.ends[where] = max(self.ends.get(where, 0), msg.offset() + 1)
                self.h.add("sent", id=i, ok=1, o=msg.offset(), **chosen)
            else:
                self.h.add("sent", id=i, ok=0 if err.code() in NOT_WRITTEN else -1, err=err.name(), **chosen)

        try:
            payload = encode(v, rng.choice((0, 10, 100, 1000)))
            where = {} if key else {"partition": part}
            producer.produce(topic, payload, key or p, on_delivery=report, **where)
        except (BufferError, KafkaException) as e:
            self.h.add("sent", id=i, ok=0, err=repr(e)[:80])
            producer.poll(0.2)

    def polled(self, c, s, iso, t0, ms):
        self.h.add(
            "poll",
            c=c,
            s=s,
            iso=iso,
            t0=t0,
            r=[[f"{m.topic()}:{m.partition()}", m.offset(), decode(m.value())] for m in ms],
        )

    def fetch_offsets(self, co, g, topics):
        t0 = self.h.now()
        tps = co.committed([TopicPartition(t, q) for t in topics for q in range(self.partitions(t))], 10)
        if not any(t.error for t in tps):
            self.h.add("ofetch", g=g, t0=t0, k={f"{t.topic}:{t.partition}": t.offset for t in tps})

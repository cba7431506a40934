"""A history written step by step, to test the checker: each step is an event that a client would have logged."""

from tests.torture.checker import check

TOPIC = "t"
SECOND_NS = 1_000_000_000


class ScriptedHistory:
    """The partition is `t:0` by default. Each step takes 1000 nanoseconds."""

    def __init__(self):
        self.events, self.at, self.ids = [], 0, 0
        self.log = {}  # partition -> values
        self.add("producer", p="p", kind="idempotent", inorder=True)

    def add(self, e, **fields):
        self.at += 1000
        self.events.append({"e": e, "t": self.at, **fields})

    def wait(self, seconds):
        self.at += int(seconds * SECOND_NS)

    def new_id(self):
        self.ids += 1
        return self.ids

    # ---- producers --------------------------------------------------------------------------------------------------

    def write(self, records, k="t:0", key=None):
        """Acknowledged records at the next offsets."""
        for _ in range(records):
            i, log = self.new_id(), self.log.setdefault(k, [])
            sent = {"key": key, "k": "t:?"} if key else {"k": k}
            self.add("send", id=i, p="p", v=f"p/{i}", tx=None, **sent)
            self.add("sent", id=i, ok=1, o=len(log), k=k)
            log.append(f"p/{i}")

    def refuse(self, k, err):
        i = self.new_id()
        self.add("send", id=i, p="p", v=f"p/{i}", tx=None, k=k)
        self.add("sent", id=i, ok=-1, err=err)

    # ---- administrators ---------------------------------------------------------------------------------------------

    def request_deletion(self, before, k="t:0"):
        i = self.new_id()
        self.add("delete", id=i, k={k: before})
        return i

    def respond_to_deletion(self, i, ok, start=None, err=None, k="t:0"):
        self.add("deleted", id=i, k={k: [ok, start, err]})

    def delete(self, before, start=None, k="t:0"):
        """A deletion that is acknowledged at once. The new log start is the requested offset unless `start` is set."""
        self.respond_to_deletion(self.request_deletion(before, k), 1, before if start is None else start, k=k)

    def delete_without_answer(self, before, k="t:0"):
        self.respond_to_deletion(self.request_deletion(before, k), -1, err="_TIMED_OUT", k=k)

    def grow(self, n, ok=1):
        i = self.new_id()
        self.add("grow", id=i, topic=TOPIC, n=n)
        self.add("grown", id=i, ok=ok)

    def report_partitions(self, n, node="a"):
        self.add("parts", topic=TOPIC, n=n, node=node, t0=self.at + 1)

    # ---- readers ----------------------------------------------------------------------------------------------------

    def assign(self, c, start=None, k="t:0", s=1, g=None):
        self.add("assign", c=c, s=s, g=g, k={k: start})

    def join(self, c, g):
        self.add("member", c=c, g=g)

    def revoke(self, c, g, k="t:0", s=1):
        self.add("revoke", c=c, s=s, g=g, k={k: None})

    def leave(self, c, g):
        self.add("left", c=c, g=g)

    def read(self, c, offsets, k="t:0", s=1):
        rows = [[k, o, self.log[k][o]] for o in offsets]
        self.add("poll", c=c, s=s, iso="rc", t0=self.at + 1, r=rows)

    def watermarks(self, lo, hi=None, k="t:0"):
        """A ListOffsets response."""
        self.add("wm", k=k, lo=lo, hi=len(self.log[k]) if hi is None else hi, t0=self.at + 1)

    def end(self, lo=0, k="t:0", offsets=None, complete=True):
        """The final read of a partition, complete from its start."""
        log = self.log.get(k, [])
        rows = [[o, log[o]] for o in (range(lo, len(log)) if offsets is None else offsets)]
        for iso in ("ru", "rc"):
            self.add("final", k=k, iso=iso, lo=lo, hi=len(log), t0=self.at + 1, complete=complete, r=rows)

    def violations(self):
        """The names of the violations, without the anomalies that Kafka allows."""
        return set(check(self.events)["counts"])

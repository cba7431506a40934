"""Checks of the log of one partition: nothing lost, duplicated, reordered, skipped, or visible too early."""

import bisect
import collections

from tests.torture.observation import FAIL, OK, Observations


class LogChecks(Observations):
    """Checks of values, acknowledgements, transactions, order, polls, gaps and watermarks."""

    def must_not_see(self, s):
        """Why a read_committed reader may not see this send, or None."""
        if s.ok == FAIL:
            return "the send failed"
        if s.tx and self.txns[s.tx].result in ("abort", "open"):
            return "its transaction " + (
                "was aborted" if self.txns[s.tx].result == "abort" else "was never committed"
            )
        return None

    def c_values(self):
        for v, places in self.where.items():
            s = self.sends.get(v)
            if s is None:
                self.err("phantom", v=v, at=places[:3])
                continue
            if len(places) > 1:
                pr = self.producers.get(s.p) or {}  # without retries a duplicate is the broker's own doing
                plain = pr.get("kind", "plain") == "plain" and pr.get("retries") != 0
                self.err("duplicate-plain" if plain else "duplicate", v=v, at=places[:5])
            if places[0][0] != s.k and not s.k.endswith(":?"):
                self.err("wrong-partition", v=v, sent=s.k, at=places[0])
        done = set()
        for v, t, c in self.rc_reads:
            s = self.sends.get(v)
            if s is None or v in done:
                continue
            why = self.must_not_see(s)
            if why:
                done.add(v)
                self.err("G1a", v=v, why=why, tx=s.tx, reader=c)
            elif s.tx and self.txns[s.tx].commit0 and t < self.txns[s.tx].commit0:
                done.add(v)
                self.err("precommitted-read", v=v, tx=s.tx, reader=c)
            elif t < s.t0:
                done.add(v)
                self.err("read-before-write", v=v, reader=c)
        for (_k, iso), f in self.finals.items():  # a failed plain send must not be in the log either
            if iso == "ru":
                for _o, v in f["r"]:
                    s = self.sends.get(v)
                    if s and s.ok == FAIL and not s.tx:
                        self.err("G1a", v=v, why="the send failed", reader="final-ru")

    def final_has(self, k, o, iso):
        """Whether offset o is in the log, if the final read of k shows it; None otherwise."""
        f = self.finals.get((k, iso))
        if not f or not f.get("complete") or o < f["lo"]:
            return None
        if not hasattr(self, "_fs"):
            self._fs = {key: {x[0]: x[1] for x in fin["r"]} for key, fin in self.finals.items()}
        return self._fs[k, iso].get(o) if o in self._fs[k, iso] else False

    def c_acks(self):
        for s in self.sends.values():
            if s.ok != OK or (s.tx and self.txns[s.tx].result != "commit"):
                continue
            iso = "rc" if s.tx else "ru"
            places = [(k, o) for k, o in self.where.get(s.v, ()) if k == s.k]
            got = self.final_has(s.k, s.o, iso) if s.o is not None and s.o >= 0 else None
            if got is None:
                read = [o for k, o in places if not s.tx or o in self.rc[k]]
                f = self.finals.get((s.k, iso))
                if s.v in self.first_seen or (read and s.v in self.first_seen):
                    continue
                if (
                    f
                    and f.get("complete")
                    and (s.o is None or s.o >= f["lo"])
                    and not any(x[1] == s.v for x in f["r"])
                ):
                    self.err("lost-write", v=s.v, k=s.k, offset=s.o, tx=s.tx)
                elif not f:
                    beyond = s.o is not None and s.o <= max((o for o in self.rc[s.k]), default=-1)
                    self.err("lost-write" if beyond else "unseen", v=s.v, k=s.k, offset=s.o, tx=s.tx)
            elif got is False:
                others = [o for _, o in places if o != s.o]
                self.err(
                    "wrong-offset" if others else "lost-write", v=s.v, k=s.k, acked=s.o, found=others[:3], tx=s.tx
                )
            elif got != s.v:
                self.err("lost-write", v=s.v, k=s.k, offset=s.o, instead=got, tx=s.tx)

    def c_txns(self):
        for x in self.txns.values():
            if x.result not in ("commit", "unknown"):
                continue
            there, missing = [], []
            for s in x.sends:
                f = self.finals.get((s.k, "rc"))
                if s.ok == FAIL or not f or not f.get("complete"):
                    continue
                if not hasattr(self, "_rcv"):
                    self._rcv = {k: {v for _, v in fin["r"]} for (k, iso), fin in self.finals.items() if iso == "rc"}
                if s.v in self._rcv[s.k]:
                    there.append(s.v)
                elif s.ok == OK and (s.o is None or s.o >= f["lo"]):
                    missing.append(s.v)
            if there and missing:
                self.err("torn-txn", tx=x.x, result=x.result, there=there[:3], missing=missing[:3])

    def c_order(self):
        last = {}
        for k, log in self.log.items():
            last.clear()
            seen = set()
            for o in sorted(log):
                v = log[o]
                s = self.sends.get(v)
                if s is None or v in seen:
                    continue
                seen.add(v)
                if not (self.producers.get(s.p) or {}).get("inorder"):
                    continue
                prev = last.get(s.p)
                if prev is not None and s.seq < prev:
                    self.err("nonmonotonic-send", k=k, p=s.p, offset=o, seq=s.seq, after=prev)
                last[s.p] = max(s.seq, prev if prev is not None else -1)

    def c_polls(self):
        idx, acknowledged = {}, collections.defaultdict(set)
        for s in self.sends.values():
            if s.ok == OK and not s.tx and s.o is not None and s.o >= 0:
                acknowledged[s.k].add(s.o)
        for k, log in self.log.items():
            # what a read_uncommitted reader should see: every offset seen by anyone; read_committed: those seen by rc,
            # and what was acknowledged outside of transactions
            idx[k, "ru"] = sorted(log)
            idx[k, "rc"] = sorted(self.rc[k] | acknowledged[k])
        for key, seq in self.polls.items():
            iso, last = self.iso_of[key], {}
            begins = (self.sessions.get(key) or {}).get("k", {})
            for k, o, t in seq:
                if k not in last and begins.get(k) is not None:
                    last[k] = begins[k] - 1
                p = last.get(k)
                if p is not None:
                    if o <= p:
                        self.err("nonmonotonic-poll", c=key[0], k=k, offset=o, after=p)
                    elif o > p + 1:
                        a, after = idx[k, iso], max(p, self.deletions.highest(k, o, t) - 1)
                        i, j = bisect.bisect_right(a, after), bisect.bisect_left(a, o)
                        skipped = [x for x in a[i:j] if not self.aborted_at(k, x)]
                        if skipped:
                            self.err("poll-skip", c=key[0], iso=iso, k=k, after=p, offset=o, skipped=skipped[:5])
                last[k] = o

    def aborted_at(self, k, o):
        s = self.sends.get(self.log[k].get(o))
        return bool(s and s.tx and self.txns[s.tx].result != "commit")

    def c_gaps(self):
        txn_parts = {s.k for s in self.sends.values() if s.tx}
        eos_out = {t for e in self.eos for t in e["out"]}
        for (k, iso), f in self.finals.items():
            topic = k.rsplit(":", 1)[0]
            if iso != "ru" or not f.get("complete") or k in txn_parts or topic in self.gaps_ok | eos_out:
                continue
            offs = [o for o, _ in f["r"]]
            want = f["hi"] - f["lo"]
            if len(offs) != want:
                have = set(offs)
                miss = [o for o in range(f["lo"], f["hi"]) if o not in have][:5]
                self.err("offset-gap", k=k, missing=want - len(offs), first=miss)

    def c_watermarks(self):
        for k, ws in self.wms.items():
            done = [(t, hi, "wm") for t0, t, lo, hi in ws]
            done += [
                (s.t1, s.o + 1, "ack") for s in self.sends.values() if s.k == k and s.ok == OK and (s.o or -1) >= 0
            ]
            done.sort()
            i, top, lo_top = 0, (-1, ""), -1
            lows = sorted((t, lo) for t0, t, lo, hi in ws)
            j = 0
            for t0, _t, lo, hi in sorted(ws):
                while i < len(done) and done[i][0] < t0:
                    top = max(top, (done[i][1], done[i][2]))
                    i += 1
                while j < len(lows) and lows[j][0] < t0:
                    lo_top = max(lo_top, lows[j][1])
                    j += 1
                if hi < top[0]:
                    self.err("stale-hw" if top[1] == "ack" else "nonmonotonic-hw", k=k, hi=hi, before=top[0])
                if lo < lo_top:
                    self.err("nonmonotonic-log-start", k=k, lo=lo, before=lo_top)

    def c_lag(self):
        self.lag = sorted(
            self.first_seen[s.v] - s.t1
            for s in self.sends.values()
            if s.ok == OK and not s.tx and s.v in self.first_seen
        )

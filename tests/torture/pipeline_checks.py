"""Checks of groups and pipelines: committed offsets, exactly-once copies, and derived topics as f(input)."""

import collections
import zlib

from tests.torture.observation import FAIL, OK, Observations


def kept(value):
    """Whether the filter of the derived topic keeps a value: it keeps quantities greater than five."""
    return quantity(value) > 5


def quantity(value):
    """The quantity in the payload of a value, for the filter."""
    return zlib.crc32(value.encode()) % 10


class PipelineChecks(Observations):
    """Checks of groups, transactional copiers and operators."""

    def c_groups(self):
        for (g, k), cs in self.ocommits.items():
            okmax = max((o for _, _, o, ok in cs if ok == OK), default=0)
            f = self.finals.get((k, "rc"))
            lo = f["lo"] if f else 0
            if f and f.get("complete"):
                missed = [o for o, v in f["r"] if lo <= o < okmax and o not in self.group_seen[g, k]]
                if missed:
                    self.err("group-skip", g=g, k=k, committed=okmax, missed=missed[:5], count=len(missed))
            top = max(self.log[k], default=-1) if k in self.log else -1
            for _, _, o, ok in cs:
                hi = max(top + 1, f["hi"] if f else 0)
                if ok == OK and o > hi > 0:
                    self.err("commit-beyond-end", g=g, k=k, offset=o, end=hi)
        for (g, k), fs in self.ofetches.items():
            cs = self.ocommits.get((g, k), [])
            for t0, t, o in fs:
                before = [c for c in cs if c[1] < t0 and c[3] == OK]
                cands = [c for c in cs if c[3] != FAIL and c[2] == o and c[0] < t]
                if o < 0 or o is None:
                    if before:
                        self.err("commit-lost", g=g, k=k, fetched=o, committed=max(c[2] for c in before))
                    continue
                if cands and any(not any(c[1] < b[0] for b in before) for c in cands):
                    continue
                if before:
                    self.err("commit-stale" if cands else "commit-lost", g=g, k=k, fetched=o, committed=before[-1][2])

    def c_eos(self):
        for e in self.eos:
            seen, order = collections.defaultdict(list), {}
            for (k, iso), f in self.finals.items():
                if iso == "rc" and k.rsplit(":", 1)[0] in e["out"]:
                    for o, v in f["r"]:
                        if v and "<" in v:
                            src = v.split("<", 1)[1]
                            seen[src].append((k, o))
                            if len(seen[src]) > 1:
                                continue  # reported as a duplicate
                            sk, so = src.rsplit("@", 1)
                            so = int(so)
                            if so < order.get((sk, k), -1):
                                self.err("eos-reordered", src=src, k=k, offset=o)
                            order[sk, k] = max(so, order.get((sk, k), -1))
            for src, places in seen.items():
                if len(places) > 1:
                    self.err("eos-duplicate", src=src, at=places[:3])
            for (g, k), fs in self.ofetches.items():
                if g != e["g"] or k.rsplit(":", 1)[0] not in e["in"] or (k, "rc") not in self.finals:
                    continue
                done = max(fs, key=lambda x: x[1])[2]  # the last committed input position
                for o, _ in self.finals[k, "rc"]["r"]:
                    if o < done and f"{k}@{o}" not in seen:
                        self.err("eos-missing", src=f"{k}@{o}", committed=done)

    def c_cycles(self):
        """G1c: transactions that each read what the next one wrote (write-read edges only; write-write cycles are
        legal in Kafka). An edge writer -> reader for each value a copying transaction read."""
        edges, at = collections.defaultdict(set), {}
        for k, log in self.log.items():
            for o, v in log.items():
                at[f"{k}@{o}"] = v
        for s in self.sends.values():
            if s.tx and "<" in s.v:
                src = self.sends.get(at.get(s.v.split("<", 1)[1]))
                if src and src.tx and src.tx != s.tx:
                    edges[src.tx].add(s.tx)
        for scc in sccs(edges):
            if len(scc) > 1:
                self.err("G1c", txns=sorted(scc)[:6])

    def c_derived(self):
        """Each partition of a derived topic is the filtered input partition: each record once and in order."""
        for source, derived in self.derived.items():
            for (k, iso), f in self.finals.items():
                topic, partition = k.rsplit(":", 1)
                if topic != source or iso != "ru" or not f.get("complete"):
                    continue
                out = self.finals.get((f"{derived}:{partition}", "ru"))
                if not out or not out.get("complete"):
                    self.err("derived-missing", k=f"{derived}:{partition}", why="it was not read to its end")
                    continue
                expected = [v for _, v in f["r"] if v and kept(v)]
                self.compare(f"{derived}:{partition}", expected, [v for _, v in out["r"]])

    def compare(self, k, expected, actual):
        """Report the differences of a derived partition; one difference may have several names."""
        if expected == actual:
            return
        want, have = collections.Counter(expected), collections.Counter(actual)
        alien = [v for v in have if v not in want]
        missing = list((want - have).elements())
        extra = [v for v in (have - want).elements() if v in want]
        for name, values in (("derived-wrong", alien), ("derived-missing", missing), ("derived-duplicate", extra)):
            if values:
                self.err(name, k=k, count=len(values), first=values[:3])
        if not (alien or missing or extra):
            at = next(i for i, (a, b) in enumerate(zip(expected, actual, strict=True)) if a != b)
            self.err("derived-reordered", k=k, at=at, expected=expected[at : at + 3], actual=actual[at : at + 3])


def sccs(g):
    """Tarjan's strongly connected components, without recursion."""
    index, low, on, stack, n, out = {}, {}, set(), [], 0, []
    for root in list(g):
        if root in index:
            continue
        work = [(root, iter(g.get(root, ())))]
        index[root] = low[root] = n = n + 1
        stack.append(root)
        on.add(root)
        while work:
            v, it = work[-1]
            for w in it:
                if w not in index:
                    index[w] = low[w] = n = n + 1
                    stack.append(w)
                    on.add(w)
                    work.append((w, iter(g.get(w, ()))))
                    break
                if w in on:
                    low[v] = min(low[v], index[w])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[v])
                if low[v] == index[v]:
                    scc = []
                    while True:
                        w = stack.pop()
                        on.discard(w)
                        scc.append(w)
                        if w == v:
                            break
                    out.append(scc)
    return out

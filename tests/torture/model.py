"""A model of a correct log: random histories without violations, and functions to search and to corrupt them."""

import random

from tests.torture.checker import check
from tests.torture.pipeline_checks import kept

SEEDS = range(12)


def model(seed, nv=300):
    """A correct history: 2 plain partitions, 2 transactional ones, one pipeline, an rc and an ru reader, one group."""
    rng, t, ev, ids = random.Random(seed), [0], [], [0]

    def add(e, **kw):
        t[0] += rng.randint(1, 1000)
        ev.append(dict(kw, e=e, t=t[0]))
        return t[0]

    logs, _lso = {k: [] for k in ("a:0", "a:1", "b:0", "b:1", "out:0")}, {}
    add("eos", g="eg", **{"in": ["a"], "out": ["out"]})
    for p, kind in (("i", "idempotent"), ("pl", "plain"), ("t", "txn"), ("c", "txn")):
        add("producer", p=p, kind=kind, inorder=kind != "plain")
    seqs = dict.fromkeys(["i", "pl", "t", "c"], 0)

    def send(p, k, tx=None, src="", ok=1):
        v = f"{p}/{seqs[p]}{src and '<' + src}"
        seqs[p] += 1
        ids[0] += 1
        add("send", id=ids[0], p=p, k=k, v=v, tx=tx)
        o = None
        if ok == 1 or (ok == -1 and rng.random() < 0.5):
            o = len(logs[k])
            logs[k].append((v, tx))
        add("sent", id=ids[0], ok=ok, **({"o": o} if ok == 1 else {}))
        return v

    n, committed, copied, _gpos = 0, set(), {"a:0": 0, "a:1": 0}, {"a:0": 0, "a:1": 0}
    for c, g in (("rc", None), ("ru", None), ("m", "g")):
        add("assign", c=c, s=1, g=g, k={})
    pos = {(c, k): 0 for c in ("rc", "ru", "m") for k in logs}
    session = 0

    def stable(k):
        for o, (_v, tx) in enumerate(logs[k]):
            if tx and tx not in done:
                return o
        return len(logs[k])

    def poll(c, iso):
        r, t0 = [], t[0] + 1
        for k, log in logs.items():
            end = len(log) if iso == "ru" else stable(k)
            for o in range(pos[c, k], end):
                v, tx = log[o]
                if v is not None and (iso == "ru" or tx is None or tx in committed):
                    r.append([k, o, v])
            pos[c, k] = max(pos[c, k], end)
        if r:
            add("poll", c=c, s=1, iso=iso, t0=t0, r=r)

    done = set()

    def finish(x, parts, commit):
        if commit:
            add("txn", x=x, r="commit?")
            committed.add(x)
        else:
            add("txn", x=x, r="abort?")
        for k in parts:
            logs[k].append((None, None))  # the marker takes an offset
        done.add(x)
        add("txn", x=x, r="commit" if commit else "abort")

    while sum(map(len, logs.values())) < nv:
        w = rng.random()
        if w < 0.3:
            send("i", f"a:{rng.randrange(2)}", ok=rng.choice((1, 1, 1, 0)))
        elif w < 0.45:
            send("pl", f"a:{rng.randrange(2)}", ok=rng.choice((1, 1, 1, -1)))
        elif w < 0.6:
            n += 1
            x, parts = f"t#{n}", set()
            add("txn", x=x, r="begin")
            for _ in range(rng.randint(1, 6)):
                k = f"b:{rng.randrange(2)}"
                parts.add(k)
                send("t", k, tx=x)
            finish(x, parts, rng.random() < 0.7)
        elif w < 0.7:
            n += 1
            x = f"c#{n}"
            k = f"a:{rng.randrange(2)}"
            todo = list(range(copied[k], len(logs[k])))[:10]
            if not todo:
                continue
            session += 1  # (an abort rewinds the copier: a new session)
            add("assign", c="c", s=session, g="eg", k={})
            add(
                "poll",
                c="c",
                s=session,
                iso="rc",
                t0=t[0] + 1,
                r=[[k, o, logs[k][o][0]] for o in todo if logs[k][o][0]],
            )
            add("txn", x=x, r="begin")
            for o in todo:
                if logs[k][o][0]:
                    send("c", "out:0", tx=x, src=f"{k}@{o}")
            ok = rng.random() < 0.7
            t0 = t[0] + 1
            finish(x, {"out:0"}, ok)
            if ok:
                copied[k] = todo[-1] + 1
                add("ocommit", g="eg", c="c", t0=t0, ok=1, k={k: copied[k]})
        elif w < 0.9:
            poll(*rng.choice((("rc", "rc"), ("ru", "ru"), ("m", "rc"))))
        else:
            k = rng.choice(list(logs))
            t0 = add("nemesis")
            add("wm", k=k, lo=0, hi=len(logs[k]), t0=t0)
            t0 = add("nemesis")
            add("ocommit", g="g", c="m", t0=t0, ok=1, k={"a:0": pos["m", "a:0"]})
            t0 = add("nemesis")
            add("ofetch", g="g", t0=t0, k={"a:0": pos["m", "a:0"]})
    for c, iso in (("rc", "rc"), ("ru", "ru"), ("m", "rc")):
        poll(c, iso)
    t0 = add("nemesis")
    add("ofetch", g="eg", t0=t0, k=dict(copied))
    for k, log in logs.items():
        for iso in ("ru", "rc"):
            add(
                "final",
                k=k,
                iso=iso,
                lo=0,
                hi=len(log),
                complete=True,
                r=[[o, v] for o, (v, tx) in enumerate(log) if v and (iso == "ru" or tx is None or tx in committed)],
            )
    return ev


def with_derived(ev):
    """The same history with a derived topic `d` of `a`."""
    t = ev[-1]["t"] + 1
    ev.append({"e": "derived", "in": "a", "out": "d", "t": t})
    for q in (0, 1):
        source = next(e for e in ev if e["e"] == "final" and e["k"] == f"a:{q}" and e["iso"] == "ru")
        values = [v for _, v in source["r"] if v and kept(v)]
        rows = list(enumerate(values))
        if rows:
            ev.append({"e": "poll", "c": "dd", "s": 1, "iso": "rc", "t0": t, "t": t + 1,
                       "r": [[f"d:{q}", o, v] for o, v in rows]})  # fmt: skip
        for iso in ("ru", "rc"):
            ev.append({"e": "final", "k": f"d:{q}", "iso": iso, "lo": 0, "hi": len(rows), "complete": True,
                       "r": [[o, v] for o, v in rows], "t": t + 2})  # fmt: skip
    return ev


def pick(rng, ev, cond):
    xs = [i for i, e in enumerate(ev) if cond(e)]
    return rng.choice(xs) if xs else None


def finals(ev, k=None, iso=None):
    return [e for e in ev if e["e"] == "final" and k in (None, e["k"]) and iso in (None, e["iso"]) and e["r"]]


def purge(ev, v, keep_final=False):
    """Remove every read of v."""
    for e in ev:
        if e["e"] == "poll":
            e["r"] = [x for x in e["r"] if x[2] != v]
        elif e["e"] == "final" and not keep_final:
            e["r"] = [x for x in e["r"] if x[1] != v]


def acked(rng, ev, p=None):
    ok = {e["id"]: e for e in ev if e["e"] == "sent" and e["ok"] == 1}
    return rng.choice([(e, ok[e["id"]]) for e in ev if e["e"] == "send" and e["id"] in ok and p in (None, e["p"])])


def of(ev, x):
    return [e for e in ev if e["e"] == "send" and e["tx"] == x]


def assert_violations_found(mutation):
    """Assert that the checker reports a fitting violation for every history that the mutation corrupts."""
    changed = 0
    for seed in SEEDS:
        bad = with_derived(model(seed))
        want = mutation(random.Random(seed), bad)
        if want:
            report = check(bad)
            assert want & set(report["violations"]), (seed, want, report["counts"])
            changed += 1
    assert changed, "the mutation changed no history"

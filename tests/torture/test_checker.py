"""The checker against a model: correct random histories must be clean, and each seeded fault must be named."""

import random

import pytest

from tests.torture.checker import check
from tests.torture.pipeline_checks import kept


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


def pick(rng, ev, cond):
    xs = [i for i, e in enumerate(ev) if cond(e)]
    return rng.choice(xs) if xs else None


def finals(ev, k=None, iso=None):
    return [e for e in ev if e["e"] == "final" and k in (None, e["k"]) and iso in (None, e["iso"]) and e["r"]]


def purge(ev, v, keep_final=False):
    """Nobody ever read v."""
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


def m_lost(r, ev):
    s, _d = acked(r, ev, "i")
    purge(ev, s["v"])
    return {"lost-write"}


def m_lost_txn(r, ev):
    xs = [
        e["x"] for e in ev if e["e"] == "txn" and e["r"] == "commit" and len(of(ev, e["x"])) > 1 and e["x"][0] == "t"
    ]
    purge(ev, of(ev, r.choice(xs))[0]["v"])
    return {"lost-write", "torn-txn"}


def m_duplicate(r, ev):
    s, _d = acked(r, ev, "i")
    for f in finals(ev, s["k"]):
        f["r"].append([f["hi"], s["v"]])
        f["hi"] += 1
    return {"duplicate"}


def m_diverge(r, ev):
    i = pick(r, ev, lambda e: e["e"] == "poll" and e["c"] == "ru")
    s, _ = acked(r, ev, "i")
    x = r.choice(ev[i]["r"])
    if x[2] == s["v"]:
        return None
    x[2] = s["v"]
    return {"inconsistent-offsets"}


def m_aborted(r, ev):
    xs = [e["x"] for e in ev if e["e"] == "txn" and e["r"] == "abort" and of(ev, e["x"])]
    s = r.choice(of(ev, r.choice(xs)))
    o = next(e["o"] for e in ev if e["e"] == "sent" and e["id"] == s["id"])
    ev.append(
        {
            "e": "poll",
            "c": "zz",
            "s": 1,
            "iso": "rc",
            "t0": ev[-1]["t"],
            "t": ev[-1]["t"] + 1,
            "r": [[s["k"], o, s["v"]]],
        }
    )
    return {"G1a"}


def m_failed(r, ev):
    _s, d = acked(r, ev, "i")
    d["ok"] = 0
    return {"G1a"}


def m_dirty(r, ev):
    xs = [(i, e["x"]) for i, e in enumerate(ev) if e["e"] == "txn" and e["r"] == "commit?" and of(ev, e["x"])]
    i, x = r.choice(xs)
    s = of(ev, x)[0]
    o = next(e["o"] for e in ev if e["e"] == "sent" and e["id"] == s["id"])
    t = ev[i]["t"] - 1
    ev.insert(i, {"e": "poll", "c": "zz", "s": 1, "iso": "rc", "t0": t, "t": t, "r": [[s["k"], o, s["v"]]]})
    return {"precommitted-read"}


def m_torn_unknown(r, ev):
    xs = [e for e in ev if e["e"] == "txn" and e["r"] == "commit" and len(of(ev, e["x"])) > 1]
    x = r.choice(xs)
    x["r"] = "unknown"
    purge(ev, of(ev, x["x"])[-1]["v"])
    return {"torn-txn"}


def m_reorder(r, ev):
    for f in r.sample(finals(ev, None, "ru"), len(finals(ev, None, "ru"))):
        at = [j for j, x in enumerate(f["r"]) if x[1].startswith("i/")]
        if len(at) > 1:
            a, b = at[0], at[1]
            va, vb, k = f["r"][a][1], f["r"][b][1], f["k"]
            ids = {e["v"]: e["id"] for e in ev if e["e"] == "send"}
            oa, ob = f["r"][a][0], f["r"][b][0]
            for e in ev:  # everyone agrees on the wrong order
                if e["e"] == "poll":
                    for x in e["r"]:
                        if x[0] == k and x[1] in (oa, ob):
                            x[2] = vb if x[1] == oa else va
                elif e["e"] == "final" and e["k"] == k:
                    for x in e["r"]:
                        if x[0] in (oa, ob):
                            x[1] = vb if x[0] == oa else va
                elif e["e"] == "sent" and e["id"] in (ids[va], ids[vb]) and e["ok"] == 1:
                    e["o"] = ob if e["id"] == ids[va] else oa
            return {"nonmonotonic-send"}
    return None


def m_skip(r, ev):
    i = pick(r, ev, lambda e: e["e"] == "poll" and e["c"] == "ru" and len([x for x in e["r"] if x[0] == "a:0"]) > 2)
    if i is None:
        return None
    a = [x for x in ev[i]["r"] if x[0] == "a:0"]
    ev[i]["r"].remove(a[1])
    return {"poll-skip"}


def m_rewind(r, ev):
    i = pick(r, ev, lambda e: e["e"] == "poll" and e["c"] == "ru" and e["r"])
    ev[i]["r"].append(list(ev[i]["r"][0]))
    return {"nonmonotonic-poll"}


def m_hw(r, ev):
    i = pick(r, ev, lambda e: e["e"] == "wm" and e["hi"] > 3)
    if i is None:
        return None
    w = ev[i]
    w["t"]
    ev.append({"e": "wm", "k": w["k"], "lo": 0, "hi": w["hi"] - 2, "t0": ev[-1]["t"] + 1, "t": ev[-1]["t"] + 2})
    return {"nonmonotonic-hw", "stale-hw"}


def m_gap(r, ev):
    s, _d = acked(r, ev, "i")
    for f in finals(ev, s["k"]):
        f["hi"] += 3
    return {"offset-gap"}


def m_phantom(r, ev):
    f = r.choice([f for f in finals(ev) if not f["k"].startswith("d:")])
    f["r"].append([f["hi"] + 5, "ghost/1"])
    return {"phantom"}


def m_corrupt(r, ev):
    f = r.choice(finals(ev))
    f["r"][0][1] = None
    return {"corrupt"}


def m_group(r, ev):
    i = pick(r, ev, lambda e: e["e"] == "poll" and e["c"] == "m" and any(x[0] == "a:0" for x in e["r"]))
    cm = max((e["k"].get("a:0", 0) for e in ev if e["e"] == "ocommit" and e["g"] == "g"), default=0)
    if i is None:
        return None
    a = [x for x in ev[i]["r"] if x[0] == "a:0" and x[1] < cm]
    if not a:
        return None
    ev[i]["r"].remove(a[-1])
    return {"group-skip"}


def m_commit(r, ev):
    cs = [e for e in ev if e["e"] == "ocommit" and e["g"] == "g" and e["k"]["a:0"] > 0]
    if not cs:
        return None
    t = ev[-1]["t"]
    ev.append({"e": "ofetch", "g": "g", "t0": t + 1, "t": t + 2, "k": {"a:0": -1001}})
    return {"commit-lost"}


def m_eos_dup(r, ev):
    f = finals(ev, "out:0", "rc")
    if not f:
        return None
    v = r.choice(f[0]["r"])[1]
    src = v.split("<")[1]
    ev.insert(0, {"e": "send", "id": -1, "p": "c", "k": "out:0", "v": "c/99999<" + src, "tx": None, "t": 0})
    for g in finals(ev, "out:0"):
        g["r"].append([g["hi"], "c/99999<" + src])
        g["hi"] += 1
    return {"eos-duplicate"}


def m_eos_missing(r, ev):
    f = finals(ev, "out:0", "rc")
    if not f:
        return None
    purge(ev, r.choice(f[0]["r"])[1])
    return {"eos-missing"}


def m_wrong_offset(r, ev):
    _s, d = acked(r, ev, "i")
    d["o"] += 100000
    return {"wrong-offset", "inconsistent-offsets"}


def m_cycle(r, ev):
    t = ev[-1]["t"]
    for x in ("A", "B"):
        ev.append({"e": "txn", "x": x, "r": "begin", "t": t})
    ev += [
        {"e": "send", "id": 10**6, "p": "t", "k": "z:0", "v": "t/1000000<z:0@1", "tx": "A", "t": t},
        {"e": "send", "id": 10**6 + 1, "p": "t", "k": "z:0", "v": "t/1000001<z:0@0", "tx": "B", "t": t},
        {"e": "sent", "id": 10**6, "ok": 1, "o": 0, "t": t},
        {"e": "sent", "id": 10**6 + 1, "ok": 1, "o": 1, "t": t},
    ]
    for x in ("A", "B"):
        ev += [{"e": "txn", "x": x, "r": "commit?", "t": t}, {"e": "txn", "x": x, "r": "commit", "t": t}]
    ev.append(
        {
            "e": "poll",
            "c": "zz",
            "s": 1,
            "iso": "rc",
            "t0": t + 1,
            "t": t + 2,
            "r": [["z:0", 0, "t/1000000<z:0@1"], ["z:0", 1, "t/1000001<z:0@0"]],
        }
    )
    return {"G1c"}


def derived_of(ev, k):
    """The final reads of the derived partition."""
    return [e for e in ev if e["e"] == "final" and e["k"] == k]


def m_derived_missing(r, ev):
    for f in derived_of(ev, "d:0"):
        if not f["r"]:
            return None
        f["r"].pop()
        f["hi"] -= 1
    return {"derived-missing"}


def m_derived_duplicate(r, ev):
    for f in derived_of(ev, "d:0"):
        if not f["r"]:
            return None
        f["r"].append([f["hi"], f["r"][0][1]])
        f["hi"] += 1
    return {"derived-duplicate"}


def m_derived_reordered(r, ev):
    for f in derived_of(ev, "d:0"):
        if len({v for _, v in f["r"]}) < 2:
            return None
        a = f["r"]
        b = next(i for i, x in enumerate(a) if x[1] != a[0][1])
        a[0][1], a[b][1] = a[b][1], a[0][1]
    return {"derived-reordered", "inconsistent-offsets"}


def m_derived_wrong(r, ev):
    dropped = [v for f in finals(ev, "a:0", "ru") for _, v in f["r"] if not kept(v)]
    if not dropped:
        return None
    for f in derived_of(ev, "d:0"):
        f["r"].append([f["hi"], dropped[0]])
        f["hi"] += 1
    return {"derived-wrong"}


def m_derived_unread(r, ev):
    for f in derived_of(ev, "d:1"):
        f["complete"] = False
    return {"derived-missing"}


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


MUTATIONS = [f for n, f in sorted(globals().items()) if n.startswith("m_")]
SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_correct_history_raises_no_alarm(seed):
    report = check(with_derived(model(seed)))
    assert report["valid"] and not report["counts"], report


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__.removeprefix("m_"))
def test_every_seeded_fault_is_named(mutation):
    convicted = 0
    for seed in SEEDS:
        bad = with_derived(model(seed))
        want = mutation(random.Random(seed), bad)
        if want:
            report = check(bad)
            assert want & set(report["violations"]), (seed, want, report["counts"])
            convicted += 1
    assert convicted

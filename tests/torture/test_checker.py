"""The checker against a model: correct random histories must be clean, and each corrupted history must be reported."""

import pytest

from tests.torture.checker import check
from tests.torture.model import SEEDS, acked, assert_violations_found, finals, model, of, pick, purge, with_derived


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


def m_wrong_offset(r, ev):
    _s, d = acked(r, ev, "i")
    d["o"] += 100000
    return {"wrong-offset", "inconsistent-offsets"}


MUTATIONS = [f for n, f in sorted(globals().items()) if n.startswith("m_")]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_correct_history_has_no_violations(seed):
    report = check(with_derived(model(seed)))
    assert report["valid"] and not report["counts"], report


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__.removeprefix("m_"))
def test_every_mutation_is_reported(mutation):
    assert_violations_found(mutation)

"""The checker of groups, copiers and derived topics: each corrupted history must be reported."""

import pytest

from tests.torture.model import assert_violations_found, finals, pick, purge
from tests.torture.pipeline_checks import kept


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


MUTATIONS = [f for n, f in sorted(globals().items()) if n.startswith("m_")]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__.removeprefix("m_"))
def test_every_mutation_is_reported(mutation):
    assert_violations_found(mutation)

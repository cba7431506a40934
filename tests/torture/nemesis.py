#!/usr/bin/env python3
"""Runs a command and injects process faults: kill -9 and restart, SIGSTOP and SIGCONT, SIGTERM and restart, at random
times from a seed.

usage: nemesis.py [--kill MEAN_SECONDS] [--stop MEAN_SECONDS] [--roll MEAN_SECONDS] [--pause MAX] [--down MAX]
       [--seed 1] [--calm-after S] -- CMD...
One line per action on stdout: seconds, action. Only processes that this script started are signalled.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time

SHUTDOWN_TIMEOUT_S = 15
"""A node that takes longer to shut down is reported."""


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--kill", type=float, default=5)
    p.add_argument("--stop", type=float, default=1e9)
    p.add_argument("--roll", type=float, default=1e9)
    p.add_argument("--pause", type=float, default=8)
    p.add_argument("--down", type=float, default=1)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--calm-after", type=float, default=1e9)
    p.add_argument("cmd", nargs="+")
    a = p.parse_args()
    rng, t0, proc = random.Random(a.seed), time.time(), None

    def say(*x):
        return print(f"{time.time() - t0:.3f}", *x, flush=True)

    def start():
        say("start")
        return subprocess.Popen(a.cmd, start_new_session=True)

    def send(sig):
        try:
            os.killpg(proc.pid, sig)
        except ProcessLookupError:
            pass

    signal.signal(signal.SIGTERM, lambda *x: sys.exit(0))  # (so that finally runs)
    proc, kills = start(), 0
    try:
        while True:
            k, s, r = (rng.expovariate(1 / mean) for mean in (a.kill, a.stop, a.roll))
            wait = min(k, s, r)
            end = time.time() + wait
            while time.time() < end:
                time.sleep(min(0.05, max(0, end - time.time())))
                if proc.poll() is not None:
                    say("died", proc.returncode)  # by itself: that is a finding
                    proc = start()
            if time.time() - t0 > a.calm_after:
                continue
            if r == wait:
                send(signal.SIGTERM)
                try:
                    say("rolled", proc.wait(SHUTDOWN_TIMEOUT_S))
                except subprocess.TimeoutExpired:
                    say("died", "of an order to stop that it did not follow")
                    send(signal.SIGKILL)
                    proc.wait()
                proc = start()
            elif k == wait:
                send(signal.SIGKILL)
                proc.wait()
                kills += 1
                say("kill", kills)
                time.sleep(rng.uniform(0, a.down))
                proc = start()
            else:
                send(signal.SIGSTOP)
                d = rng.uniform(0, a.pause)
                say(f"stop {d:.1f}")
                time.sleep(d)
                send(signal.SIGCONT)
                say("cont")
    except KeyboardInterrupt:
        pass
    finally:
        send(signal.SIGCONT)
        send(signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())

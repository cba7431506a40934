# Sourced by a client's suite.sh, behind environment.sh: what came out of its own tests, held against what is expected.

# judge RESULTS EXPECTED: RESULTS has a line "pass|fail|skip TEST" for each test, EXPECTED one "TEST  REASON" for each
# that may fail. Prints the counts, then what failed without being listed; fails if there is any, or if nothing was run.
judge() {
    awk '
        FNR == NR && /^[^#]/ { listed[$1] = 1; next }
        FNR == NR { next }
        { count[$1]++; if ($1 == "fail") if ($2 in listed) expected++; else unlisted[$2] = 1 }
        $1 == "pass" && $2 in listed { better = better " " $2 }
        END {
            printf "passed %d, failed %d (%d of them listed), skipped %d\n", \
                count["pass"], count["fail"], expected, count["skip"]
            if (better) print "listed, but passed:" better
            for (test in unlisted) { print "not listed: " test; bad = 1 }
            if (!count["pass"]) { print "nothing passed: was there a broker?"; bad = 1 }
            exit bad
        }' "$2" "$1"
}

# clean LOG…: fails if a broker logged an error or a traceback, and prints the lines.
clean() {
    ! grep -HnE '^Traceback|\[(error|critical) ' "$@"
}

# address_of "$@": $address is what --against says, or that of a broker in memory that is started here on a free port,
# whose log is $log, in the folder $source, and whose topics have PARTITIONS (4) partitions where nobody says how many.
# It is node 0, where some of the tests look for one.
address_of() {
    log=$source/broker.log
    if [ "${1:-}" = --against ]; then
        address=$2
        : >"$log"
        return
    fi
    HIGGINS_NODE_ID=0 "${HIGGINS:-$compat/../.venv/bin/higgins}" up --store memory:// --listen 127.0.0.1:0 \
        --set "num.partitions=${PARTITIONS:-4}" --set group.initial.rebalance.delay.ms=0 \
        --set group.min.session.timeout.ms=1000 >"$log" 2>&1 &
    broker=$!
    trap 'kill $broker; wait $broker || true' EXIT
    for _ in $(seq 200); do
        address=$(sed -n 's/.*listening *\(127[^ ]*:[0-9]*\).*/\1/p' "$log" | head -n 1)
        [ -z "$address" ] || return 0
        sleep 0.1
    done
    echo "suite.sh: the broker did not start; see $log" >&2
    exit 1
}

# judge_go EXPECTED: the tests of Go said what they said in $source/tests.log, with -v; judged, with the broker's $log.
judge_go() {
    verdict=0
    sed -n 's/^ *--- PASS: \([^ ]*\).*/pass \1/p; s/^ *--- FAIL: \([^ ]*\).*/fail \1/p; s/^ *--- SKIP: \([^ ]*\).*/skip \1/p
        s/^panic: .*/fail panic/p' "$source/tests.log" >"$source/results"
    judge "$source/results" "$1" || verdict=1
    clean "$log" || verdict=1
    echo "what they said: $source/tests.log; the broker: $log"
    return $verdict
}

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

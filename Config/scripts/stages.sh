# shellcheck shell=bash disable=SC2034
# Stages: pieces of work that show their name, how far they are and how long they have taken, and that say on failure
# what failed, where the log is and what to do.
#
#   run_stage NAME REMEDY FUNCTION [ARGUMENT...]
#
# FUNCTION runs with its output in a log; the last line of that log is its progress. It may call `note TEXT` to have a
# remark shown beside the stage's name once it is done.

stage_logs=${stage_logs:?the folder for the logs of the stages}
stage_started=0
stage_process=
run_started=${EPOCHREALTIME/[.,]/}

if [ -t 1 ] && [ "${CI:-}" != true ] && [ "${TERM:-dumb}" != dumb ]; then stage_terminal=yes; else stage_terminal=; fi

# elapsed SINCE: time since a reading of EPOCHREALTIME without its point, as 0.4 s, 12.0 s or 3 min 20 s.
elapsed() {
    local tenths=$(((${EPOCHREALTIME/[.,]/} - $1) / 100000))
    if [ $tenths -ge 1200 ]; then
        echo "$((tenths / 600)) min $((tenths / 10 % 60)) s"
    else
        echo "$((tenths / 10)).$((tenths % 10)) s"
    fi
}

note() {
    printf '%s' "$*" >"$stage_logs/.note"
}

# The last line of a log, without control characters and cut to what fits beside the name.
last_line() {
    tail -c 2000 -- "$1" 2>/dev/null | tr '\r' '\n' | tr -cd '[:print:]\n' |
        sed '/^ *$/d' | tail -n 1 | cut -c "1-$2"
}

end_stage_process() {
    [ -z "$stage_process" ] || kill -TERM -- "-$stage_process" 2>/dev/null || true
    exit 130
}

show_progress() {
    local name=$1 log=$2 spoken=$(((${EPOCHREALTIME/[.,]/} - stage_started) / 20000000))
    while kill -0 "$stage_process" 2>/dev/null; do
        sleep 0.2
        if [ -n "$stage_terminal" ]; then
            printf '\r\033[K  %-22s %8s  %s' "$name" "$(elapsed "$stage_started")" "$(last_line "$log" 60)"
        elif [ $(((${EPOCHREALTIME/[.,]/} - stage_started) / 20000000)) -gt $spoken ]; then
            spoken=$((spoken + 1))
            printf '  %-22s %8s  %s\n' "$name" "$(elapsed "$stage_started")" "$(last_line "$log" 90)"
        fi
    done
    [ -z "$stage_terminal" ] || printf '\r\033[K'
}

run_stage() {
    local name=$1 remedy=$2 log status=0 slug
    shift 2
    slug=$(tr -c 'a-z0-9\n' '-' <<<"${name,,}")
    log=$stage_logs/$slug.log
    rm -f "$stage_logs/.note"
    : >"$log"
    stage_started=${EPOCHREALTIME/[.,]/}
    trap end_stage_process INT TERM HUP
    set -m
    (
        trap - INT TERM HUP
        set -euo pipefail
        "$@"
    ) </dev/null >"$log" 2>&1 &
    stage_process=$!
    set +m
    show_progress "$name" "$log"
    wait "$stage_process" || status=$?
    stage_process=
    trap - INT TERM HUP
    if [ $status -eq 0 ]; then
        printf 'ok  %-22s %8s  %s\n' "$name" "$(elapsed "$stage_started")" \
            "$(cat "$stage_logs/.note" 2>/dev/null || true)"
        return 0
    fi
    printf 'FAILED  %s after %s\n' "$name" "$(elapsed "$stage_started")"
    tail -n 15 -- "$log" | sed 's/^/    /'
    printf 'The log: %s\nWhat to do: %s\n' "$log" "$remedy"
    return 1
}

#!/usr/bin/env bash
# Runs the end-to-end tests of the fake driver, every operation at every microversion, and bodies that are wrong,
# through a recording proxy that holds every answer of the compute API against the reference's published schemas, then
# prints the proxy's report.
#
#   CONTRACT_TOOL=.../contract.sh contract.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tool=${CONTRACT_TOOL:-}
if [ ! -f "$tool" ]; then
    echo "contract.sh: name the recording proxy with CONTRACT_TOOL=.../contract.sh." >&2
    exit 64
fi

port=${E2E_PORT:-18774}
work=$(mktemp -d)
export CONTRACT_HOME=${CONTRACT_HOME:-$here/../../.build/contract}
mkdir -p "$CONTRACT_HOME"
export SCHEMA_LOG=$work/schema.jsonl PROXY_PORT=18799 IDENTITY_PORT=18798
export COMPUTE_URL=http://127.0.0.1:$port/compute IDENTITY_URL=http://127.0.0.1:$port/identity

bash "$tool" serve >"$work/proxy.log" 2>&1 &
proxy=$!
trap 'kill $proxy 2>/dev/null || true; rm -rf "$work"' EXIT
deadline=$((SECONDS + 600))
until (: </dev/tcp/127.0.0.1/$IDENTITY_PORT) 2>/dev/null; do
    if ! kill -0 $proxy 2>/dev/null || [ $SECONDS -ge $deadline ]; then
        cat "$work/proxy.log" >&2
        echo "contract.sh: the recording proxy does not listen on port $IDENTITY_PORT." >&2
        exit 69
    fi
    sleep 0.5
done

status=0
export E2E_PORT=$port E2E_AUTH_URL=http://127.0.0.1:$IDENTITY_PORT/identity/v3
unset OS_AUTH_URL
"$here/run.sh" fake || status=1
"$here/run.sh" sweep || status=1
"$here/run.sh" sweep -- --wrong || status=1
bash "$tool" report || status=1
exit $status

#!/usr/bin/env bash
# The whole of Kilonova, driven from outside by the unmodified OpenStack clients.
#
#   run.sh [fake] [libvirt] [drivers] [databases] [broker] [-- ARGUMENT OF unittest...]      (default: fake)
#   run.sh sweep [-- ARGUMENT OF sweep.py...]                 every operation at every microversion
#
# Each set starts its own daemon on free ports with its own state directory and removes both at its end.
#
#   KILONOVAD        the program to test; default: the newer of the debug and the release build
#   KEEP=1           keeps the state directories for a look at them
#   E2E_AUTH_URL     an identity URL to use in the place of the daemon's own, such as that of a recording proxy
#   E2E_PORT         the port to listen on; default: one that is free
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
export PATH=$PATH:/usr/sbin:/sbin PYTHONDONTWRITEBYTECODE=1

sets=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    case $1 in
    fake | libvirt | drivers | databases | broker | sweep) sets+=("$1") ;;
    *)
        echo "run.sh: there is no set named $1; choose from fake, libvirt, drivers, databases, broker and sweep." >&2
        exit 64
        ;;
    esac
    shift
done
[ $# -eq 0 ] || shift
[ ${#sets[@]} -gt 0 ] || sets=(fake)

if [ -z "${KILONOVAD:-}" ]; then
    # shellcheck disable=SC2012
    KILONOVAD=$(ls -t "$root"/.build/{debug,release}/kilonovad 2>/dev/null | head -n 1 || true)
fi
if [ ! -x "${KILONOVAD:-}" ]; then
    echo "run.sh: there is no kilonovad to test; run 'make build' or set KILONOVAD." >&2
    exit 69
fi
python=$root/.venv/bin/python
if [ ! -x "$python" ]; then
    echo "run.sh: the clients are not there; run 'make clients'." >&2
    exit 69
fi
export KILONOVAD KILONOVA_ROOT=$root

status=0
for set_name in "${sets[@]}"; do
    if [ "$set_name" = sweep ]; then
        "$python" "$here/sweep.py" "$@" || status=1
    else
        "$python" "$here/run.py" "$set_name" "$@" || status=1
    fi
done
exit $status

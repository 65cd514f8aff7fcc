#!/bin/bash
# What `kilonovad driver verify` asks of the vCenter simulator: its world_command and its helper_command.
#
#     helper.sh URL CERTIFICATE VERB [WORD...]
#
# Verbs are those of `[driver_verify] helper_command`, and `world`. Answers that are empty mean: not here.
set -euo pipefail
url=$1 certificate=$2 verb=$3
shift 3

ask() {
    curl -sS --fail --max-time 20 --cacert "$certificate" "$url/control/$1"
}

case $verb in
world) ask world ;;
volume-make)
    [ "$2" = vmdk ] || exit 0
    printf '{"vmdk":{"machine":"%s"}}' "$(ask "shadow?id=$1&gib=$3")"
    ;;
volume-bootable) printf '{"vmdk":{"machine":"%s"}}' "$(ask "shadow?id=$1&gib=$2")" ;;
volume-grow) ask "grow?machine=volume-$1&gib=$2" ;;
volume-remove) ask "remove?machine=volume-$1" ;;
foreign-make) ask foreign ;;
foreign-power)
    case $(ask "state?machine=$1") in
    poweredOn) echo running ;;
    poweredOff) echo shutdown ;;
    suspended) echo suspended ;;
    esac
    ;;
foreign-remove) ask "remove?machine=$1" ;;
stop) ask "power?uuid=$1&state=poweredOff" ;;
esac

#!/usr/bin/env bash
# `make wipe`: `make down`, then removes the state directory: servers, disks, images, networks, keys, logs.
set -euo pipefail
# shellcheck source=Config/scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [ ! -e "$state" ]; then
    echo "There is no $state."
    exit 0
fi
[ -f "$state/$state_marker" ] ||
    fail "$state is not a Kilonova state directory (it has no $state_marker); nothing was removed."
"$root/Config/scripts/down.sh" --forget-guests ||
    fail "Not everything could be stopped, so $state was kept; see the messages above and run 'make wipe' again."
rm -rf --one-file-system -- "$state"
echo "removed $state"

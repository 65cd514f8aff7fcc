#!/bin/bash
# The digest of DriverKit's interface: what host and driver compare before they trust each other's Swift types.
#
#   driverkit-hash.sh          print it
#   driverkit-hash.sh --check  fail when CDriverABI.h holds another one
#   driverkit-hash.sh --write  put it into CDriverABI.h
#
# Comments, blank lines and the digest itself do not count.
set -euo pipefail

cd "$(dirname "$0")/../../Plugins/DriverKit"
header=Sources/CDriverABI/include/CDriverABI.h
macro=KN_DRIVERKIT_INTERFACE_HASH

digest() {
    find Sources/CDriverABI Sources/ComputeModel Sources/DriverAPI \
        -type f \( -name '*.swift' -o -name '*.c' -o -name '*.h' \) |
        LC_ALL=C sort |
        while read -r file; do
            printf '== %s\n' "$file"
            sed -E -e '/^[[:space:]]*\/\//d' -e '/^[[:space:]]*$/d' -e "/^#define $macro /d" "$file"
        done |
        sha256sum | cut -c 1-16
}

current=$(digest)
recorded=$(sed -n -E "s/^#define $macro \"([0-9a-f]*)\".*/\1/p" "$header")

case "${1:-}" in
    "")
        echo "$current"
        ;;
    --check)
        if [ "$current" != "$recorded" ]; then
            echo "DriverKit has changed: $header says $recorded, its sources are $current;" \
                "run Config/scripts/driverkit-hash.sh --write and rebuild every driver" >&2
            exit 1
        fi
        ;;
    --write)
        if [ "$current" != "$recorded" ]; then
            sed -i -E "s/^(#define $macro )\"[0-9a-f]*\"/\1\"$current\"/" "$header"
            echo "$header: $recorded -> $current"
        fi
        ;;
    *)
        echo "usage: driverkit-hash.sh [--check | --write]" >&2
        exit 2
        ;;
esac

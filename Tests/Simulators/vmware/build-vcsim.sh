#!/bin/bash
# Builds the vCenter simulator that the tests of the VMware driver use, from Debian's govmomi and our main.go.
#
#     build-vcsim.sh OUTPUT
#
# Needs golang-go and golang-github-vmware-govmomi-dev; downloads nothing. Does nothing when OUTPUT is newer than the
# sources.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
output=$(realpath -m "${1:?usage: build-vcsim.sh OUTPUT}")
if [[ -x $output ]] && [[ -z $(find "$here" -name '*.go' -newer "$output") ]]; then exit 0; fi
command -v go >/dev/null || { echo "go is not installed (apt install golang-go)" >&2; exit 3; }
[[ -d /usr/share/gocode/src/github.com/vmware/govmomi ]] || {
    echo "govmomi is not installed (apt install golang-github-vmware-govmomi-dev)" >&2
    exit 3
}
mkdir -p "$(dirname "$output")"
# A build that is cut short leaves no program behind, and two at once do not meet.
partial=$(mktemp "$output.XXXXXX")
trap 'rm -f "$partial"' EXIT
cd "$here"
GOPATH=/usr/share/gocode GO111MODULE=off GOFLAGS='' nice go build -o "$partial" .
mv "$partial" "$output"

#!/usr/bin/env bash
# Puts the unmodified OpenStack clients, and VMware's own for the tests, from PyPI into the virtual environment .venv,
# where absent.
set -euo pipefail
# shellcheck source=Config/scripts/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readonly packages=(python-openstackclient osc-placement openstacksdk python-novaclient pyvmomi)
stamp=$clients/.kilonova-clients
if [ -x "$clients/bin/openstack" ] && [ "$(cat "$stamp" 2>/dev/null)" = "${packages[*]}" ]; then
    echo "present: $clients"
    exit 0
fi
if [ ! -x "$clients/bin/pip" ]; then
    rm -rf -- "$clients"
    "$(system_python)" -m venv "$clients" ||
        fail "Python could not make a virtual environment; install python3-venv ('make prerequisites' as root)."
fi
"$clients/bin/pip" install --disable-pip-version-check --no-input "${packages[@]}"
"$clients/bin/openstack" --version
echo "${packages[*]}" >"$stamp"

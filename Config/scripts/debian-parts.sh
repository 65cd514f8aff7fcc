# shellcheck shell=bash
# For scripts that build a machine out of Debian packages without installing them: packages are downloaded and unpacked,
# and modules of a kernel copied with what they need.
#
# Whoever reads this in has set
#
#   out    a folder; packages are kept in its folder `packages`
#   die    a function that says what is wrong and ends the script
out=${out:?the folder that is built into}

# Lines `NAME VERSION`: what apt would install of the named packages.
candidates() {
    apt-cache policy "$@" | awk '/^[^ ]/ { name = $1; sub(":$", "", name) } /Candidate:/ { print name, $2 }'
}

unpack() {
    local package=$1 into=$2 version file
    version=$(candidates "$package" | cut -d' ' -f2)
    file=$(find "$out/packages" -name "${package}_${version//:/%3a}_*.deb" -print -quit)
    if [ -z "$file" ]; then
        echo "downloading $package $version"
        rm -f "$out/packages/${package}"_*.deb
        (cd "$out/packages" && apt-get -qq -o APT::Sandbox::User=root download "$package") ||
            die "apt-get could not download $package; run 'apt-get update' and try again"
        file=$(find "$out/packages" -name "${package}_*.deb" -print -quit)
    fi
    dpkg-deb -x "$file" "$into"
}

# copy_modules KERNEL-TREE DESTINATION NAME...: the named modules with what they need, and the order to load them in.
copy_modules() {
    local tree=$1 destination=$2 name
    shift 2
    mkdir -p "$destination"
    : >"$destination/order"
    for name; do
        add_module "$tree" "$destination" "$name"
    done
}

add_module() {
    local tree=$1 destination=$2 name=${3//-/_} file dependency dependencies
    if grep -qx "$name" "$destination/order"; then return; fi
    if grep -Eq "/(${name}|${name//_/-})\.ko$" "$tree/modules.builtin"; then return; fi
    file=$(find "$tree" \( -name "$name.ko" -o -name "${name//_/-}.ko" \) -print -quit)
    [ -n "$file" ] || die "the kernel has no module $name"
    dependencies=$(tr '\0' '\n' <"$file" | grep -a '^depends=' | head -n 1 | cut -d= -f2 || true)
    for dependency in ${dependencies//,/ }; do
        add_module "$tree" "$destination" "$dependency"
    done
    cp "$file" "$destination/$name.ko"
    echo "$name" >>"$destination/order"
}

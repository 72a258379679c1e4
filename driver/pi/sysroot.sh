#!/bin/sh
# sysroot.sh ARCHITECTURE DIRECTORY PACKAGE... - unpacks packages of another Debian architecture, with all that they
# depend on, into DIRECTORY/root. Needs no root, and changes nothing of this system: apt works in DIRECTORY alone, with
# this system's own sources and keys. Nothing is done again as long as the same packages are asked for. Words go to
# stderr. Exit codes: 0 done; 4 the packages cannot be had.
set -eu

fail() {
    echo "sysroot: $*" >&2
    exit 4
}

[ $# -ge 3 ] || {
    echo "usage: sysroot.sh ARCHITECTURE DIRECTORY PACKAGE..." >&2
    exit 2
}
architecture=$1 directory=$2
shift 2
if [ "$(cat "$directory/unpacked" 2>/dev/null)" = "$*" ]; then
    exit 0
fi
for tool in apt-get dpkg; do
    command -v "$tool" >/dev/null || fail "no $tool here: the libraries for $architecture come from a Debian archive"
done
mkdir -p "$directory/lists/partial" "$directory/archives/partial"
directory=$(cd "$directory" && pwd)
rm -rf "$directory/root" "$directory/unpacked"
: >"$directory/status" # nothing is installed there

# Read after the system's own configuration, whose commands for before and after are not for here.
cat >"$directory/apt.conf" <<CONF
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$directory";
Dir::State::status "$directory/status";
Dir::State::lists "$directory/lists";
Dir::Cache "$directory";
Dir::Cache::archives "$directory/archives";
CONF
apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -c "$directory/apt.conf" -qq -y "$@" >"$directory/log" 2>&1
}

echo "sysroot: fetching for $architecture: $*" >&2
# A list that cannot be had is no harm, as long as the packages are in the others.
apt update || [ -n "$(ls "$directory/lists" 2>/dev/null)" ]
apt --download-only install "$@" || {
    sed 's/^/    /' "$directory/log" >&2
    fail "apt-get cannot fetch them (see above): is there a network, and does the archive have $architecture?"
}
for package in "$directory"/archives/*.deb; do
    dpkg -x "$package" "$directory/root" || fail "$package cannot be unpacked"
done
rm -rf "$directory/archives" "$directory/lists"
echo "$*" >"$directory/unpacked"

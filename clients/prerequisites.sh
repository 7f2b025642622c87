# shellcheck shell=bash
# Sourced by the scripts of this folder: the ignored cache, and programs installed from Debian when they are missing.

clients_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache_dir=$clients_dir/.cache
mkdir -p "$cache_dir"

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# need_program PROGRAM PACKAGE...: installs the Debian packages unless the program is on the PATH.
need_program() {
    local program=$1
    shift
    command -v "$program" >/dev/null && return
    command -v apt-get >/dev/null || die "$program is missing, and there is no apt-get to install: $*"
    echo "installing $*" >&2
    (
        # Several scripts start together: the second one finds the program installed.
        flock 9
        command -v "$program" >/dev/null && exit 0
        as_root apt-get -o DPkg::Lock::Timeout=300 -qq update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq -y \
            install --no-install-recommends "$@"
    ) 9>"$cache_dir/apt.lock" >&2 || die "apt-get install $* failed"
    command -v "$program" >/dev/null || die "$program is still missing after apt-get install $*"
}

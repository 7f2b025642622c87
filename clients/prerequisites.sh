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

# install_client NAME: leaves the client where matrix/main.py expects it; quick when it is there already.
install_client() {
    (
        flock 9
        case $1 in
        kcat) need_program kcat kcat ;;
        confluent-kafka) install_confluent_kafka ;;
        java) install_java ;;
        franz-go) install_franz_go ;;
        *) die "unknown client $1" ;;
        esac
    ) 9>"$cache_dir/$1.lock"
}

install_confluent_kafka() {
    local requirements=$clients_dir/confluent-kafka/requirements.txt venv=$cache_dir/venv
    cmp -s "$requirements" "$venv/requirements.txt" && return
    rm -rf "$venv"
    if ! python3 -m venv "$venv" >/dev/null 2>&1; then
        # Debian keeps venv's pip apart from python3.
        as_root apt-get -qq update >&2
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq -y install python3-venv >&2
        python3 -m venv --clear "$venv"
    fi
    "$venv/bin/pip" install -q -r "$requirements" >&2
    cp "$requirements" "$venv/requirements.txt"
}

install_java() {
    local source=$clients_dir/java/Driver.java classes=$cache_dir/java
    "$clients_dir/kafka" fetch
    cmp -s "$source" "$classes/Driver.java" && return
    need_program javac default-jdk-headless
    mkdir -p "$classes"
    javac -d "$classes" -cp "$cache_dir/kafka-libs/*" "$source"
    cp "$source" "$classes/Driver.java"
}

install_franz_go() {
    need_go
    (cd "$clients_dir/franz-go" && go build -buildvcs=false -o "$cache_dir/franz-go/" ./...)
}

# Puts a Go on the PATH that can build what go.mod asks for. Go 1.21 and later fetch a newer toolchain themselves; the
# 1.19 of Debian 12 fetches it as a module when told to, which this does.
need_go() {
    need_program go golang-go
    export GOTOOLCHAIN=auto
    if (cd "$clients_dir/franz-go" && go version && go list -m) >/dev/null 2>&1; then return; fi
    local home go_toolchain
    go_toolchain=golang.org/toolchain@v0.0.1-go1.24.11.linux-$(dpkg --print-architecture 2>/dev/null || echo amd64)
    home=$(cd "$cache_dir" && GOFLAGS=-mod=mod go mod download -json "$go_toolchain" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    [ -n "$home" ] || die "Go 1.24 is needed, and $(go version) cannot fetch it"
    # Files of a module are never executable.
    chmod -R +x "$home/bin" "$home/pkg/tool"
    export PATH=$home/bin:$PATH GOTOOLCHAIN=local
}

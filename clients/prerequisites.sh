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
    need "command -v $1" "$@"
}

# need_file PATH PACKAGE...: the same for a file, as a header.
need_file() {
    need "test -e $1" "$@"
}

# need TEST NAME PACKAGE...: installs the Debian packages unless the test holds.
need() {
    local holds=$1 name=$2
    shift 2
    $holds >/dev/null && return
    command -v apt-get >/dev/null || die "$name is missing, and there is no apt-get to install: $*"
    echo "installing $*" >&2
    (
        # Several scripts start together: the second one finds the program installed.
        flock 9
        $holds >/dev/null && exit 0
        as_root apt-get -o DPkg::Lock::Timeout=300 -qq update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq -y \
            install --no-install-recommends "$@"
    ) 9>"$cache_dir/apt.lock" >&2 || die "apt-get install $* failed"
    $holds >/dev/null || die "$name is still missing after apt-get install $*"
}

# install_client NAME: leaves the client where matrix/main.py expects it; quick when it is there already.
install_client() {
    (
        flock 9
        case $1 in
        kcat) need_program kcat kcat ;;
        confluent-kafka) install_python confluent-kafka venv ;;
        kafka-python) install_python kafka-python venv-kafka-python ;;
        aiokafka) install_python aiokafka venv-aiokafka ;;
        java) install_java ;;
        java-oldest) install_java_oldest ;;
        franz-go | sarama | librdkafka-oldest) install_go "$1" ;;
        rdkafka) install_rdkafka ;;
        kafkajs) install_kafkajs ;;
        *) die "unknown client $1" ;;
        esac
    ) 9>"$cache_dir/$1.lock"
}

# install_python CLIENT VENV: a virtual environment with what the client's requirements.txt names.
install_python() {
    local requirements=$clients_dir/$1/requirements.txt venv=$cache_dir/$2
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
    local sources=$clients_dir/java classes=$cache_dir/java
    "$clients_dir/kafka" fetch
    diff -rq "$sources" "$classes/sources" >/dev/null 2>&1 && return
    need_program javac default-jdk-headless
    rm -rf "$classes"
    mkdir -p "$classes"
    javac -d "$classes" -cp "$cache_dir/kafka-libs/*" "$sources"/*.java
    # The copied sources mark a whole set.
    cp -r "$sources" "$classes/sources"
}

# The driver of clients/java against the jars of clients/java-oldest, whose own sources take the place of those of one name.
install_java_oldest() {
    local sources=$clients_dir/java own=$clients_dir/java-oldest classes=$cache_dir/java-oldest
    diff -rq "$sources" "$classes/sources" >/dev/null 2>&1 && diff -rq "$own" "$classes/own" >/dev/null 2>&1 && return
    need_program mvn maven
    need_program javac default-jdk-headless
    rm -rf "$classes"
    mkdir -p "$classes/compiled"
    mvn -q -B -f "$own/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$classes/libs" >&2
    cp "$sources"/*.java "$classes/compiled/"
    cp "$own"/*.java "$classes/compiled/"
    javac -d "$classes" -cp "$classes/libs/*" "$classes/compiled"/*.java
    # The copied sources mark a whole set.
    cp -r "$sources" "$classes/sources"
    cp -r "$own" "$classes/own"
}

# The Java programs, and Kafka Streams beside the jars of clients/kafka.
install_programs() {
    local sources=$clients_dir/programs-java classes=$cache_dir/programs libs=$cache_dir/programs-libs
    "$clients_dir/kafka" fetch
    (
        flock 9
        diff -rq "$sources" "$classes/sources" >/dev/null 2>&1 && exit 0
        need_program mvn maven
        need_program javac default-jdk-headless
        rm -rf "$classes" "$libs"
        mkdir -p "$classes"
        mvn -q -B -f "$sources/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libs" >&2
        javac -d "$classes" -cp "$cache_dir/kafka-libs/*:$libs/*" "$sources"/*.java
        # The copied sources mark a whole set.
        cp -r "$sources" "$classes/sources"
    ) 9>"$cache_dir/programs.lock" || die "installing the programs failed"
}

# Rust builds the librdkafka that the crate brings: minutes of one processor, once.
install_rdkafka() {
    need_program cargo cargo
    need_program make make
    need_program g++ g++
    # Debian's zlib; the crate brings the other codecs.
    need_program pkg-config pkg-config
    need_file /usr/include/zlib.h zlib1g-dev
    CARGO_TARGET_DIR=$cache_dir/rdkafka cargo build --quiet --release --locked --manifest-path "$clients_dir/rdkafka/Cargo.toml" >&2
}

# install_go CLIENT: the programs of the client's folder.
install_go() {
    need_go "$clients_dir/$1"
    (cd "$clients_dir/$1" && go build -buildvcs=false -o "$cache_dir/$1/" ./...)
}

# Puts a Go on the PATH that can build what go.mod in the folder asks for. Go 1.21 and later fetch a newer toolchain
# themselves; the 1.19 of Debian 12 fetches it as a module when told to, which this does.
need_go() {
    need_program go golang-go
    export GOTOOLCHAIN=auto
    if (cd "$1" && go version && go list -m) >/dev/null 2>&1; then return; fi
    local home go_toolchain version
    version=$(sed -n 's/^go //p' "$1/go.mod")
    go_toolchain=golang.org/toolchain@v0.0.1-go$version.linux-$(dpkg --print-architecture 2>/dev/null || echo amd64)
    home=$(cd "$cache_dir" && GOFLAGS=-mod=mod go mod download -json "$go_toolchain" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    [ -n "$home" ] || die "Go $version is needed, and $(go version) cannot fetch it"
    # Files of a module are never executable.
    chmod -R +x "$home/bin" "$home/pkg/tool"
    export PATH=$home/bin:$PATH GOTOOLCHAIN=local
}

install_kafkajs() {
    local source=$clients_dir/kafkajs installed=$cache_dir/kafkajs
    diff -q "$source/package-lock.json" "$installed/node_modules/package-lock.json" >/dev/null 2>&1 || {
        need_program npm npm
        rm -rf "$installed"
        mkdir -p "$installed"
        cp "$source/package.json" "$source/package-lock.json" "$installed/"
        # Only what its registry holds: nothing that a package would fetch or build itself is wanted.
        (cd "$installed" && npm ci --silent --ignore-scripts --no-audit --no-fund >&2)
        cp "$source/package-lock.json" "$installed/node_modules/"
    }
    # Node looks for packages beside a program's own file.
    cp "$source"/*.js "$installed/"
}

# run_on_small_disk PROGRAM ARGUMENT...: a program of matrix/ that mounts a file system of its own, which ends with the
# last process of the namespace, however that ends.
run_on_small_disk() {
    need_program python3 python3
    need_program mkfs.ext4 e2fsprogs
    need_program unshare util-linux
    install_client franz-go
    [ "$(id -u)" = 0 ] || die "needs root, to mount a file system of its own"
    [ -e /dev/loop-control ] || die "needs loop devices, to mount a file system of its own: there is no /dev/loop-control"
    exec unshare --mount --propagation private python3 -B "$clients_dir/matrix/$1" "${@:2}"
}

#!/usr/bin/env bash
# Everything that must hold before a change is taken, in one command, on a Debian machine with a Rust toolchain and a C
# compiler: installs what the tests need, then format, lints, documents, tests on SQLite and on a PostgreSQL of its own,
# and a demo whose every object is shown to openssl, BouncyCastle and pkilint. CI runs this and nothing else.
#
#   ./test.sh            under 25 minutes on two cores
#   ./test.sh --long     the slow rounds as well: ignored tests, cargo-deny, the checker of the peers checked itself
#
#   CARGO_TARGET_DIR     where to build; a directory in ~/.cache by default, so that the next checkout finds it
#   HUFU_VECTORS         public test vectors; ../shared/vectors if it is there, and it must be in CI
#
# The tests see HUFU_TEST_DATABASE (sqlite or postgres) and, for postgres, HUFU_TEST_POSTGRES: the URL of a superuser who
# may make databases and schemas.
set -euo pipefail
cd "$(dirname "$0")"

case ${1:-} in
    "") long= ;;
    --long) long=yes ;;
    *) echo "usage: ./test.sh [--long]" >&2 && exit 64 ;;
esac

cache=${XDG_CACHE_HOME:-$HOME/.cache}/hufu-test
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target} CARGO_INCREMENTAL=0 CARGO_TERM_PROGRESS_WHEN=never
export HUFU_TEST_VENV=$cache/venv HUFU_TEST_OIDC=$cache/oidc LC_ALL=C.UTF-8
cluster='' demo='' step=''

# ---- headings, and leaving nothing behind ----

heading() {
    step=$1
    printf '\n==== %s (after %d s)\n' "$step" "$SECONDS"
}

leave() {
    local code=$?
    trap - EXIT
    if [[ -n $cluster ]]; then
        as_postgres "$binaries/pg_ctl" -D "$cluster/data" -m immediate stop >/dev/null 2>&1 || true
        if ((code != 0)); then tail -n 20 "$cluster/log" 2>/dev/null || true; fi
        rm -rf "$cluster"
    fi
    if ((code == 0)); then
        rm -rf "$demo"
    else
        printf '\n==== FAILED: %s (after %d s)\n' "$step" "$SECONDS"
        if [[ -n $demo ]]; then echo "what the demo left is in $demo"; fi
    fi
    exit "$code"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- what the tests need ----

privileged() { if ((EUID == 0)); then "$@"; else sudo "$@"; fi; }

have() { command -v "$1" >/dev/null; }

have_jdk() {
    local version
    version=$(javac -version 2>&1) && version=${version#javac } && ((${version%%.*} >= 11)) && have java
} 2>/dev/null

have_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || have initdb; }

install_packages() {
    local missing=() jar
    for command in curl git openssl python3 sqlite3 valgrind; do have "$command" || missing+=("$command"); done
    have node || missing+=(nodejs)
    have npm || missing+=(npm)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    have_jdk || missing+=(default-jdk-headless)
    have_postgres || missing+=(postgresql)
    for jar in bcprov bcpkix bcutil; do [[ -e /usr/share/java/$jar.jar ]] || missing+=("lib$jar-java"); done
    if ((${#missing[@]} == 0)); then return; fi

    echo "installing ${missing[*]}"
    have apt-get || { echo "this machine has no apt-get: install the like of ${missing[*]}" >&2 && return 1; }
    # Debian starts a cluster of its own when it installs PostgreSQL; nobody asked for one.
    local no_cluster=/etc/postgresql-common/createcluster.d/hufu-test.conf
    privileged mkdir -p "${no_cluster%/*}"
    echo 'create_main_cluster = false' | privileged tee "$no_cluster" >/dev/null
    privileged env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    privileged env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null
    privileged rm -f "$no_cluster"
}

install_python_peers() {
    local wanted=(tests/peers/{pkilint,schemathesis,smtp}/requirements.txt)
    if cat "${wanted[@]}" | cmp -s - "$HUFU_TEST_VENV/requirements.txt" && "$HUFU_TEST_VENV/bin/python" -c 'import pkilint, schemathesis, aiosmtpd' 2>/dev/null; then return; fi
    echo "installing pkilint, schemathesis and aiosmtpd into $HUFU_TEST_VENV"
    python3 -m venv --clear "$HUFU_TEST_VENV"
    "$HUFU_TEST_VENV/bin/pip" --quiet --disable-pip-version-check install "${wanted[@]/#/--requirement=}"
    cat "${wanted[@]}" >"$HUFU_TEST_VENV/requirements.txt"
}

install_oidc_provider() {
    local wanted=tests/peers/oidc/package-lock.json
    if cmp -s "$wanted" "$HUFU_TEST_OIDC/package-lock.json" && [[ -d $HUFU_TEST_OIDC/node_modules/oidc-provider ]]; then return; fi
    echo "installing oidc-provider into $HUFU_TEST_OIDC"
    mkdir -p "$HUFU_TEST_OIDC"
    cp tests/peers/oidc/package{,-lock}.json "$HUFU_TEST_OIDC"
    # A registry that does not answer ends the run instead of holding it up.
    timeout --verbose 300 npm --prefix "$HUFU_TEST_OIDC" --silent --no-audit --no-fund --fetch-timeout=30000 --fetch-retries=3 ci ||
        { rm -rf "$HUFU_TEST_OIDC" && echo "oidc-provider could not be installed from npm within five minutes" >&2 && return 1; }
}

install_rust_components() {
    local component
    for component in fmt clippy; do
        cargo "$component" --version >/dev/null 2>&1 || rustup component add "${component/fmt/rustfmt}"
    done
}

find_vectors() {
    if [[ -z ${HUFU_VECTORS:-} && -d ../shared/vectors ]]; then HUFU_VECTORS=$(realpath ../shared/vectors); fi
    if [[ -d ${HUFU_VECTORS:-} ]]; then
        export HUFU_VECTORS
        echo "vectors: $HUFU_VECTORS"
    elif [[ ${CI:-} == true ]]; then
        echo "CI must have the public vectors: neither HUFU_VECTORS nor ../shared/vectors is a directory" >&2
        return 1
    else
        unset HUFU_VECTORS
        echo "vectors: none, so the tests that read them are skipped"
    fi
}

# ---- a PostgreSQL that lives as long as this script ----

# PostgreSQL refuses to run as root; as anybody else it runs as that user.
as_postgres() {
    (
        cd "$cluster"
        if ((EUID == 0)); then runuser -u postgres -- "$@"; else "$@"; fi
    )
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start_postgres() {
    local port attempt
    binaries=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1 || true)
    binaries=${binaries:-$(dirname "$(realpath "$(command -v initdb)")")}
    # Under /tmp whatever TMPDIR says: the user postgres must reach it, and a socket's path is short.
    cluster=$(mktemp -d /tmp/hufu-postgres.XXXXXX)
    if ((EUID == 0)); then chown postgres "$cluster"; fi
    as_postgres "$binaries/initdb" -D data -U hufu --auth=trust --encoding=UTF8 --locale=C --no-sync >/dev/null
    for attempt in 1 2 3 4 5; do # somebody else may take the port between the question and its use
        port=$(free_port)
        if as_postgres "$binaries/pg_ctl" -D data -l log -w -t 60 start >/dev/null 2>&1 -o "-p $port -k '$cluster' \
            -c listen_addresses=127.0.0.1 -c fsync=on -c synchronous_commit=on -c max_connections=300"; then
            break
        fi
        if ((attempt == 5)); then return 1; fi
    done
    as_postgres "$binaries/createdb" -h "$cluster" -p "$port" -U hufu hufu
    export HUFU_TEST_POSTGRES=postgres://hufu@127.0.0.1:$port/hufu
    as_postgres "$binaries/postgres" --version
    echo "$HUFU_TEST_POSTGRES"
}

# ---- the run ----

heading 'what the tests need'
install_packages
install_python_peers
install_oidc_provider
install_rust_components
find_vectors
echo "building in $CARGO_TARGET_DIR"

heading 'dependencies against deny.toml'
if [[ -n $long ]] && ! have cargo-deny && [[ ! -x $cache/tools/bin/cargo-deny ]]; then
    CARGO_TARGET_DIR=$cache/tools/target cargo install --quiet --locked --root "$cache/tools" cargo-deny
fi
PATH=$PATH:$cache/tools/bin
if have cargo-deny; then
    cargo deny --locked check licenses bans sources
else
    cargo tree --locked --prefix none --format '{l}|{p}' | python3 tests/deny.py deny.toml
fi

heading 'format'
cargo fmt --check
# cargo fmt does not see files that a macro declares.
rustfmt --check --edition 2024 src/x509/lints/*.rs src/crypto/algorithms/*.rs

heading 'lints'
cargo clippy --locked --all-targets -- -D warnings

heading 'documents'
RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

# The tests wait for disks, clocks and programs more than they compute.
export RUST_TEST_THREADS=$((2 * $(nproc)))

heading 'tests on SQLite'
export HUFU_TEST_DATABASE=sqlite
cargo build --locked --example conformance --example replay
cargo test --locked
if [[ -n $long ]]; then cargo test --locked --lib --bins --tests -- --ignored; fi

heading 'a PostgreSQL of our own'
start_postgres

heading 'tests on PostgreSQL'
export HUFU_TEST_DATABASE=postgres
cargo test --locked --lib --bins --tests
if [[ -n $long ]]; then cargo test --locked --lib --bins --tests -- --ignored; fi

heading 'the demo'
# The program that the tests ran; one built for speed takes longer to build than all of them to run.
cargo build --locked
demo=$(mktemp -d /tmp/hufu-demo.XXXXXX)
# As a newcomer runs it: HUFU_* are settings of the program, and ours are not meant for it.
env -u HUFU_TEST_DATABASE -u HUFU_TEST_POSTGRES -u HUFU_TEST_VENV -u HUFU_TEST_OIDC -u HUFU_VECTORS "$CARGO_TARGET_DIR/debug/hufu" demo --keep "$demo/kept"
"$CARGO_TARGET_DIR/debug/examples/replay" "$demo/kept/export" "$demo/kept/trust/bundle.json"

if [[ -n $long ]]; then
    heading 'the checker of the peers'
    tests/peers/selftest
fi

heading 'the peers'
tests/peers/check "$demo/kept"

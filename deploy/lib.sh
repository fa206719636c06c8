# shellcheck shell=bash
# What run, test and bench share. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# shellcheck disable=SC2034  # used by those that source this
{
    build_packages=(libssl-dev libcurl4-openssl-dev libsqlite3-dev libpq-dev libsimdjson-dev libre2-dev libzstd-dev zlib1g-dev pkg-config git ca-certificates)
    run_packages=(curl jq openssl)
    test_packages=(prometheus-alertmanager python3 python3-venv python3-yaml postgresql curl jq strace wrk openssl)
    long_packages=(nginx)
    bench_packages=(prometheus-alertmanager postgresql python3 wrk)
}

heading() { printf '\n== %s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root: $*"
    fi
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# need_packages NAME...: installs those that are missing, and touches nothing when none is.
need_packages() {
    local package missing=()
    command -v dpkg-query >/dev/null || fail "not a Debian system; please install the equivalents of: $*"
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    heading "installing ${missing[*]}"
    as_root apt-get update -qq
    without_services as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    for package in prometheus-alertmanager postgresql nginx; do
        # Debian enables it for the next boot; only its binaries are wanted here.
        case " ${missing[*]} " in
        *" $package "*) ! command -v systemctl >/dev/null || as_root systemctl disable -q "$package" || true ;;
        esac
    done
}

# without_services COMMAND...: Debian's own switch (policy-rc.d) keeps a package from starting its service while it is installed.
without_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    "$@" || status=$?
    as_root rm -f "$policy"
    return "$status"
}

# need_swift: Swift 6.2 or newer; the toolchain is the one thing that is not installed here.
need_swift() {
    local text version
    command -v swift >/dev/null || fail "no Swift toolchain: install Swift 6.2 or newer (swift.org/install) and put it on PATH"
    text=$(swift --version 2>/dev/null) || fail "swift --version does not work"
    version=$(sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' <<<"$text" | head -n 1)
    [ "$(printf '6.2\n%s\n' "$version" | sort -V | head -n 1)" = 6.2 ] || fail "Swift $version is too old: 6.2 or newer is needed"
}

# swift_build OPTIONS...: with the same seed of hashes each time. Else SwiftPM lists the flags of a package's traits in another order
# whenever it plans anew, which a changed PATH is enough for, and builds those packages and what uses them again.
swift_build() { SWIFT_DETERMINISTIC_HASHING=1 swift build "$@"; }

# build_release: builds the server and sets `binary` to it.
build_release() {
    local directory
    swift_build --package-path "$root" -c release --product tocsin >&2 || return 1
    directory=$(swift_build --package-path "$root" -c release --show-bin-path) || return 1
    binary=$directory/tocsin
    [ -x "$binary" ]
}

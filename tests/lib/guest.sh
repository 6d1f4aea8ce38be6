# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# For shell tests that run in a guest. First lines of a test:
#
#   set -euo pipefail
#   . "$ZUMASTOR_ROOT/tests/lib/guest.sh"

# A failing command says where it stood, and what it was.
trap 'printf "FAILED: %s:%s: %s (status %s)\n" "${BASH_SOURCE[0]}" "$LINENO" "$BASH_COMMAND" "$?" >&2' ERR
set -E

step() { printf '== %s\n' "$*"; }

die() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

skip() { # a test's status 77: cannot be tested here
    printf 'skipped: %s\n' "$*"
    exit 77
}

# expect WANTED GOT WHAT
expect() { [[ $1 == "$2" ]] || die "$3: expected '$1', got '$2'"; }

# expect_status N COMMAND...: the command must end with exactly that status.
expect_status() {
    local wanted=$1 got=0
    shift
    "$@" || got=$?
    ((got == wanted)) || die "$*: expected exit status $wanted, got $got"
}

# linux_since VERSION: whether the running kernel has what came with that one.
linux_since() { printf '%s\n' "$1" "$(uname -r)" | sort --check=quiet --version-sort; }

# wait_until SECONDS COMMAND...: polls a real condition, for which there is no event, up to a deadline. (With the kernels that
# make a guest slow, a later one: $VM_SLOWNESS.)
wait_until() {
    local deadline=$((SECONDS + $1 * ${VM_SLOWNESS:-1}))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || die "in time this did not come true: $*"
        sleep 0.1
    done
}

# One line that stands for the content of a whole tree: names, types, modes, link targets and every byte.
# (md5sum: the quickest of the checksums that are on every system, and nobody here forges trees.)
tree_sum() {
    (cd "$1" && find . -xdev \( -name lost+found -prune \) -o -printf '%y %m %p %l\n' | LC_ALL=C sort &&
        find . -xdev -type f -print0 | LC_ALL=C sort -z | xargs -0r md5sum) | md5sum | cut -d' ' -f1
}

# What a package would put there: programs, systemd's units and generator.
install_zumastor() {
    local part
    for part in ddsnapd tools; do
        cmake -DCMAKE_INSTALL_PREFIX=/usr -P "$ZUMASTOR_ROOT/build/$ZUMASTOR_PRESET/$part/cmake_install.cmake" >/dev/null
    done
}

# remote HOST COMMAND: there, through one connection for all such commands, as each one's beginning takes seconds in a
# guest. What is tested makes connections of its own.
remote() {
    local path=/run/control-$1
    [[ -S $path ]] || ssh -MNf -o ControlPath="$path" "$1" </dev/null >/dev/null 2>&1
    # shellcheck disable=SC2029 # meant to be expanded here
    ssh -o ControlPath="$path" "$@"
}

# After a link was cut: the connections may be dead.
forget_connections() {
    pkill -f 'ControlPath=/run/control-' || true
    rm -f /run/control-*
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What scripts that users start have in common: how they end when something went wrong.

# The last three lines of whatever fails.
failed() { # STEP REASON REMEDY
    printf 'FAILED at the step: %s\nreason: %s\nremedy: %s\n' "$@" >&2
}

# The one line of a program's output that says why it failed, most likely. What apt and make sum up with says nothing new.
last_words() { # FILE
    local line summaries='Some index files failed|Unable to fetch some archives|returned an error code|^ninja: '
    summaries+='|^make(\[[0-9]+\])?: \*\*\*|^dpkg-buildpackage: error: '
    line=$(grep -aiE '^(E|dpkg): |\berror\b|No space left|cannot|failed' "$1" |
        grep -avE "$summaries" |
        tail -n 1)
    [[ -n $line ]] || line=$(grep -av '^\s*$' "$1" | tail -n 1)
    printf '%s\n' "${line:-it said nothing}"
}

# What an output says of the disk or the memory; else the remedy given.
remedy_for() { # FILE REMEDY
    if grep -qai 'No space left on device\|enough free space' "$1"; then
        printf 'free some space (df -h says where there is how much; apt-get clean), and run the same command again\n'
    elif grep -qai 'Killed\|Cannot allocate memory\|out of memory' "$1"; then
        printf 'free some memory, or let it have fewer processors (taskset -c 0), and run the same command again\n'
    else
        printf '%s\n' "$2"
    fi
}

# Without Python (a fresh Debian has none) the arguments can only be looked up in the README beside the script: help is still
# printed, and an option that it does not mention changes nothing. With it, the program itself says more.
python_or_readme() { # README ARGUMENT…; status 1: Python is to be installed
    local readme=$1 word
    shift
    ! /usr/bin/python3 -c 'import ctypes, lzma, selectors' 2>/dev/null || return 0
    for word in "$@"; do
        case $word in
        -h | --help)
            sed '/^## /,$d' "$readme"
            printf 'Python is not installed; with it, --help says more: tools/install-deps vm\n'
            exit 0
            ;;
        --) break ;;
        --list) failed "looking at the arguments" "the list takes Python, which is not installed" \
            "as root: tools/install-deps vm"; exit 1 ;;
        -*) grep -qwF -e "${word%%=*}" "$readme" || {
            failed "looking at the arguments" "an option $word is not known" "see --help"
            exit 2
        } ;;
        esac
    done
    return 1
}

# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion for bash of zumastor and ddsnap: the programs know best what can follow. Where nothing does, files.

_zumastor() {
    local word candidates
    word=${COMP_WORDS[COMP_CWORD]}
    candidates=$("$1" --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return 0
    mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$word")
}
complete -o bashdefault -o default -F _zumastor zumastor ddsnap

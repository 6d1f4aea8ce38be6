# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion for bash of zumastor and ddsnap: the programs know best what can follow. Where nothing does, files.

_zumastor() {
    local line=$COMP_LINE words=() part word candidates breaks i
    # bash takes words apart at = and :, which names of volumes may have, and replaces the last part only.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        part=${COMP_WORDS[i]}
        if ((i > 0)) && [[ $line != [[:space:]]* ]]; then
            words[-1]+=$part
        else
            words+=("$part")
        fi
        line=${line#*"$part"}
    done
    word=${words[-1]}
    candidates=$("$1" --complete "${words[@]:1}" 2>/dev/null) || return 0
    # Candidates are data: compared as they are (compgen -W would expand them), and quoted, as they go to the command line.
    COMPREPLY=()
    while IFS= read -r part; do
        if [[ $part && $part == "$word"* ]]; then
            printf -v part %q "$part"
            COMPREPLY+=("$part")
        fi
    done <<<"$candidates"
    breaks=${COMP_WORDBREAKS//[^=:]/}
    if [[ $breaks ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*["$breaks"]}"}"}")
    fi
}
complete -o bashdefault -o default -F _zumastor zumastor ddsnap

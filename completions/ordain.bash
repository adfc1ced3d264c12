# bash completion for ordain, ordaind and ordain-certs: the programs themselves know what can come next.
_ordain() {
    local line=${COMP_LINE:0:COMP_POINT} words reply
    # Words as the shell splits them by blanks; what is quoted is left to the person.
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    mapfile -t reply < <("$1" complete bash -- "${words[@]:1}" 2>/dev/null)
    if [[ ${reply[0]-} == @files ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    else
        COMPREPLY=("${reply[@]}")
    fi
}
complete -F _ordain ordain ordaind ordain-certs

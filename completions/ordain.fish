# fish completion for ordain, ordaind and ordain-certs: the programs themselves know what can come next.
function __ordain_complete
    set -l words (commandline -opc)
    set -l reply ($words[1] complete fish -- $words[2..] (commandline -ct) 2>/dev/null)
    if test "$reply[1]" = @files
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $reply
    end
end
for program in ordain ordaind ordain-certs
    complete -c $program -f -a '(__ordain_complete)'
end

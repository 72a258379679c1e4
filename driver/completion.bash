# completion.bash - completes the command lines of heapbench's programs in bash. Installed, bash-completion finds it by
# itself; for the programs of a tree, and in zsh after "autoload -U bashcompinit && bashcompinit":
#
#     . driver/completion.bash
#
# Options are those of --help and names those of --list, asked of the very program, so that nothing here can grow old.

# What a program prints, asked once: PROGRAM OPTION.
declare -gA _heapbench_said
_heapbench_ask() {
    local key="$1 $2"
    [[ ${_heapbench_said[$key]+set} ]] || _heapbench_said[$key]=$("$1" "$2" 2>/dev/null)
    REPLY=${_heapbench_said[$key]}
}

# The values that an option of a program takes, where they are known; "FILE" for a file, nothing for other things.
_heapbench_values() { # PROGRAM OPTION
    local REPLY
    case $1:$2 in
        *replay:--alloc | *replay:-a | *replay:--pages | *replay:-p)
            _heapbench_ask "$1" --list
            if [[ $2 = *-p* ]]; then
                sed -n '/^Page sources/,$s/^  \([a-z][a-z-]*\) .*/\1/p' <<<"$REPLY"
            else
                echo all foreign
                sed -n -e '/^Page sources/q' -e 's/^  \([a-z][a-z-]*\) .*/\1/p' <<<"$REPLY"
            fi
            ;;
        *replay:--alloc-help)
            _heapbench_ask "$1" --list
            sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' <<<"$REPLY"
            echo guard
            ;;
        *replay:--passes) echo verify space arena throughput latency instructions ;;
        *trace:--format | *trace:-f) echo android wee_alloc ;;
        *pi-bench:--keep) echo nothing files all ;;
        *pi-bench:--hosts | *pi-bench:--trace | *pi-bench:--replay) echo FILE ;;
        *:--json | *:--output | *:-o | *:--directory | *:-d | *:--latex) echo FILE ;;
        *) # the words of --touch=none|word|page|all
            _heapbench_ask "$1" --help
            sed -n "s/^ .*$2=\([^ ]*|[^ ]*\).*/\1/p" <<<"$REPLY" | tr '|' '\n' | grep -v '^[A-Z-]'
            ;;
    esac
}

# The first words of a program that are not files.
_heapbench_words() { # PROGRAM
    local REPLY
    case $1 in
        *trace) echo info head import convert export ;;
        *plot)
            _heapbench_ask "$1" --help
            tr '\n' ' ' <<<"$REPLY" | sed 's/.*Pictures: *\([^.]*\)\..*/\1/' | tr -d ',' | sed 's/ or / /'
            ;;
    esac
}

_heapbench() {
    local program=$1 word=${COMP_LINE:0:COMP_POINT} before=${COMP_WORDS[COMP_CWORD - 1]} values='' part tail break REPLY
    word=${word##*[[:space:]]}
    part=$word
    case $word in
        --*=*)
            values=$(_heapbench_values "$program" "${word%%=*}")
            part=${word#*=}
            ;;
        -*)
            _heapbench_ask "$program" --help
            values=$(sed -n 's/^  *\(-[A-Za-z?][^-]*\)\{0,1\}\(--[a-z-]*=\{0,1\}\).*/\2/p' <<<"$REPLY")
            ;;
        *)
            [[ $before != -* ]] || values=$(_heapbench_values "$program" "$before")
            ((COMP_CWORD > 1)) || values=$(_heapbench_words "$program")
            values=${values:-FILE}
            ;;
    esac
    if [[ $values = FILE ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$part")
        return 0
    fi
    part=${part##*,} # of names in a row, the last
    mapfile -t COMPREPLY < <(compgen -W "$values" -P "${word%"$part"}" -- "$part")
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
    # Readline takes "=" and ":" for ends of words: what stands before the last one is not to be said again.
    tail=$word
    for break in = :; do
        [[ $COMP_WORDBREAKS != *"$break"* ]] || tail=${tail##*"$break"}
    done
    COMPREPLY=("${COMPREPLY[@]#"${word%"$tail"}"}")
}

# Installing puts the names there that the programs were given.
complete -F _heapbench ./replay ./record ./trace ./compare ./plot ./publish driver/pi/pi-bench
complete -F _heapbench heapbench-replay heapbench-record heapbench-trace heapbench-compare heapbench-plot heapbench-publish heapbench-pi-bench

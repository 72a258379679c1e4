#!/bin/sh
# board.sh - what pi-bench runs on a board. It needs a POSIX shell, tar and the small tools that busybox has, too.
#
#     sh -s -- probe DIR                          what the board is, and what is there already
#     sh -s -- settle DIR NEW                     puts in place what was copied to DIR/NEW
#     sh -s -- start DIR SWEEP WHO TUNE JOB...    begins these jobs of a sweep, detached, or tells who is at work
#     sh -s -- look DIR SWEEP JOB ATTEMPT OFFSET  how a job is doing, and its rows from a byte on
#     sh -s -- stop DIR WHO                       ends what WHO has at work
#     sh -s -- clean DIR SWEEP KEEP               removes a sweep and, unless they are to be kept, the files for all
#
# Everything is in DIR: board.sh, bin/HASH/replay, traces/HASH/NAME, settings while they are changed, sweeps/SWEEP/{queue,
# notes}, and for each job sweeps/SWEEP/JOB/{command,attempt,rows.ATTEMPT,log,ended.CODE}. How a job ended stands in a
# file's name, since a full disk has room for no more. Only the lock is outside: it is for the whole board.
#
# Answers are lines KEY=VALUE after a line that says "heapbench": before that, a login shell may say what it likes.
set -u

LOCK=${TMPDIR:-/tmp}/heapbench.lock

value() { # FILE KEY: what the file says of the key
    sed -n "s/^$2=//p" "$1" 2>/dev/null
}

first_of() { # FILE...: the first line of the first that can be read
    for file; do
        [ -r "$file" ] && tr -d '\000' <"$file" 2>/dev/null | head -n 1 && return
    done
}

may_be_root() {
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

write_as_root() { # PATH VALUE
    if [ "$(id -u)" = 0 ]; then
        printf '%s\n' "$2" >"$1"
    else
        printf '%s\n' "$2" | sudo -n tee "$1" >/dev/null
    fi 2>/dev/null
}

# ---- What the board is ------------------------------------------------------------------------------------------------

word_bits() {
    getconf LONG_BIT 2>/dev/null || # of the programs here; the kernel may be wider
        case $(dd if=/bin/sh bs=1 skip=4 count=1 2>/dev/null | tr '\001\002' 12) in 1) echo 32 ;; 2) echo 64 ;; esac
}

page_bytes() {
    getconf PAGESIZE 2>/dev/null || sed -n '/^KernelPageSize:/{s/[^0-9]//g;s/$/ * 1024/p;q;}' /proc/self/smaps | {
        read -r expression && echo $((expression))
    }
}

celsius() {
    vcgencmd measure_temp 2>/dev/null | sed -n "s/^temp=\([0-9.]*\).*/\1/p" | grep . ||
        sed 's/\(...\)$/.\1/' /sys/class/thermal/thermal_zone0/temp 2>/dev/null
}

# The bits that vcgencmd get_throttled tells, or the kernel for it: 0 is fine.
throttled() {
    vcgencmd get_throttled 2>/dev/null | sed -n 's/^throttled=//p' | grep . ||
        first_of /sys/devices/platform/soc/soc:firmware/get_throttled
}

# Whether a process may read counters of its own, with the reason when not.
counters() {
    paranoid=$(first_of /proc/sys/kernel/perf_event_paranoid)
    if ! grep -q . /sys/bus/event_source/devices/*/type 2>/dev/null || [ -z "$paranoid" ]; then
        echo 'no, this kernel has none'
    elif ! cat /sys/bus/event_source/devices/cpu/type /sys/bus/event_source/devices/armv[78]_*/type 2>/dev/null | grep -q .; then
        echo 'no, the kernel knows none of this processor'
    elif [ "$paranoid" -gt 2 ] && ! may_be_root; then
        echo "no, kernel.perf_event_paranoid is $paranoid"
    else
        echo yes
    fi
}

builds() { # whether ./replay could be built here
    for tool in make pkg-config; do
        command -v $tool >/dev/null || return 1
    done
    command -v cc >/dev/null && pkg-config --exists libzstd libxxhash libarchive jansson
}

probe() { # DIR
    echo "hostname=$(uname -n)"
    echo "model=$(first_of /proc/device-tree/model /sys/class/dmi/id/product_name)"
    echo "machine=$(uname -m)"
    echo "bits=$(word_bits)"
    echo "page_bytes=$(page_bytes)"
    echo "cores=$(grep -c '^processor' /proc/cpuinfo)"
    echo "kernel=$(uname -s) $(uname -r)"
    echo "governor=$(first_of /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor)"
    echo "celsius=$(celsius)"
    echo "throttled=$(throttled)"
    echo "counters=$(counters)"
    ! builds || echo builds=yes
    free=$1
    while [ ! -d "$free" ]; do free=$(dirname "$free"); done
    echo "free_kib=$(free_kib "$free")"
    owner
    for file in "$1"/bin/*/* "$1"/traces/*/*; do
        [ ! -f "$file" ] || echo "has=${file#"$1"/}"
    done
    for file in "$1"/sweeps/*; do
        [ ! -d "$file" ] || echo "sweep=${file##*/}"
    done
}

free_kib() { # DIR; nothing where the file system does not tell, as one in memory may not
    df -Pk "$1" | awk 'NR == 2 && $2 > 0 { print $4 }'
}

# ---- The lock: one sweep at a time on a board -------------------------------------------------------------------------

# When a process began, in ticks since boot: with its number it is a process for good. Nothing when it is gone.
began() { # PID
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

lock_is_live() {
    holder=$(value "$LOCK" pid)
    [ -n "$holder" ] && [ "$(began "$holder")" = "$(value "$LOCK" began)" ]
}

owner() { # the lock, for people; nothing when there is none, or no more
    [ -e "$LOCK" ] || return 0
    lock_is_live && state=live || state=stale
    told=$(sed -n -e 's/^who=/lock_who=/p' -e 's/^since=/lock_since=/p' -e 's/^sweep=/lock_sweep=/p' "$LOCK" 2>/dev/null) ||
        return 0
    printf 'lock=%s\n%s\n' "$state" "$told"
}

write_lock() { # FILE PID SWEEP WHO
    printf 'pid=%s\nbegan=%s\nsweep=%s\nwho=%s\ndir=%s\nsince=%s\n' \
        "$2" "$(began "$2")" "$3" "$4" "$PWD" "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" >"$1"
}

take_lock() { # SWEEP WHO; false when somebody has it
    write_lock "$LOCK.$$" $$ "$@" || return 1
    if [ -e "$LOCK" ] && ! lock_is_live; then # a power cut, for one
        echo "taken=$(value "$LOCK" who), since $(value "$LOCK" since)"
        (cd "$(value "$LOCK" dir)" 2>/dev/null && restore)
        rm -f "$LOCK"
    fi
    ln "$LOCK.$$" "$LOCK" 2>/dev/null # a link is made whole or not at all
    taken=$?
    rm -f "$LOCK.$$"
    return $taken
}

# ---- Settings of the board: set while jobs run, put back after --------------------------------------------------------

note() {
    echo "$*" >>"$sweep/notes"
}

set_value() { # PATH VALUE NAME
    before=$(first_of "$1")
    [ -n "$before" ] && [ "$before" != "$2" ] || return 0
    if may_be_root && echo "$1 $before" >>settings && write_as_root "$1" "$2"; then
        note "$3 set to $2 while this runs, $before after"
    else
        note "$3 stays $before: setting it needs root, or sudo without a password"
    fi
}

tune() {
    for governor in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor; do
        cpu=${governor#/sys/devices/system/cpu/}
        set_value "$governor" performance "governor of ${cpu%%/*}"
    done
    paranoid=$(first_of /proc/sys/kernel/perf_event_paranoid)
    [ "${paranoid:-0}" -le 2 ] || set_value /proc/sys/kernel/perf_event_paranoid 2 kernel.perf_event_paranoid
    set_value /proc/sys/kernel/perf_user_access 1 kernel.perf_user_access
}

restore() {
    [ -f settings ] || return 0
    while read -r path before; do
        case $path in # somebody else may have written the file
            *..*) ;;
            /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor | /proc/sys/kernel/perf_*) write_as_root "$path" "$before" ;;
        esac
    done <settings
    rm -f settings
}

# ---- Jobs -------------------------------------------------------------------------------------------------------------

ended() { # JOB: its exit code; false while it has none
    for file in "$1"/ended.*; do
        [ -e "$file" ] && echo "${file##*.}" && return
    done
    return 1
}

has_room() { # for a little more
    dd if=/dev/zero of=room bs=1024 count=64 2>/dev/null
    set -- $?
    rm -f room
    return "$1"
}

leave() {
    trap '' HUP INT TERM
    [ -z "$child" ] || { kill "$child" && wait "$child"; } 2>/dev/null
    restore
    rm -f "$LOCK"
}

run() { # SWEEP WHO TUNE: all jobs that have not ended, one after the other
    child=
    write_lock "$LOCK.$$" $$ "$1" "$2" && mv "$LOCK.$$" "$LOCK"
    trap leave EXIT
    trap 'exit 143' HUP INT TERM
    [ "$3" = no ] || tune
    while read -r job; do
        ended "$sweep/$job" >/dev/null && continue
        attempt=$(date +%s).$$ # begun again, a job has other rows
        rm -f "$sweep/$job"/rows.*
        echo "$attempt" >"$sweep/$job/attempt"
        sh "$sweep/$job/command" "$sweep/$job/rows.$attempt" </dev/null >/dev/null 2>"$sweep/$job/log" &
        child=$!
        wait $child
        code=$?
        child=
        [ $code = 0 ] || has_room || code=full
        : >"$sweep/$job/ended.$code"
        [ $code != full ] || break
    done <"$sweep/queue"
}

start() { # SWEEP WHO TUNE JOB...
    tries=0
    until take_lock "$1" "$2"; do
        holder=$(owner) # who may be done just now
        if [ -n "$holder" ] || [ $((tries += 1)) -gt 5 ]; then
            echo "${holder:-failed=$LOCK cannot be made}"
            return
        fi
    done
    name=$1 who=$2 tune=$3
    shift 3
    for job; do # what was killed is tried again
        case $(ended "$sweep/$job") in
            0 | 1 | '') ;;
            4) cat "$sweep/$job"/rows.* 2>/dev/null | grep -q . || rm -f "$sweep/$job"/ended.* ;; # without a row
            *) rm -f "$sweep/$job"/ended.* ;;
        esac
    done
    printf '%s\n' "$@" >"$sweep/queue"
    command -v setsid >/dev/null && detach=setsid || detach='nohup'
    $detach sh board.sh run "$PWD" "$name" "$who" "$tune" </dev/null >/dev/null 2>"$sweep/runner.log" &
    tries=0
    while [ "$(value "$LOCK" pid)" = $$ ] && [ $((tries += 1)) -le 100 ]; do
        sleep 0.05 2>/dev/null || sleep 1
    done
    if [ "$(value "$LOCK" pid)" = $$ ]; then
        rm -f "$LOCK"
        echo "failed=$(tail -n 1 "$sweep/runner.log")"
    else
        echo started=yes
    fi
}

look() { # SWEEP JOB ATTEMPT OFFSET
    [ -f "$sweep/$2/command" ] || return 0
    job=$sweep/$2 offset=$4
    # In this order: a job that has ended before its rows are counted writes no more.
    lock_is_live && [ "$(value "$LOCK" sweep)" = "$1" ] && echo running=yes
    echo "ended=$(ended "$job")"
    attempt=$(first_of "$job/attempt")
    echo "attempt=$attempt"
    [ "$attempt" = "$3" ] || offset=0
    rows=$job/rows.$attempt
    [ ! -f "$rows" ] || echo "bytes=$(wc -c <"$rows")"
    echo "free_kib=$(free_kib .)"
    tail -n 3 "$job/log" 2>/dev/null | sed 's/^/log=/'
    sed 's/^/note=/' "$sweep/notes" 2>/dev/null
    echo rows
    [ ! -f "$rows" ] || tail -c "+$((offset + 1))" "$rows"
}

stop() { # WHO: ends what WHO has at work, and removes all that is ours
    lock_is_live && [ "$(value "$LOCK" who)" = "$1" ] && kill "$(value "$LOCK" pid)" && echo stopped=yes
    tries=0
    while lock_is_live && [ $((tries += 1)) -le 30 ]; do sleep 1; done
    clean any nothing
}

settle() { # NEW: what is there already stays, as it may be in use
    mkdir -p bin traces sweeps
    mv -f "$1/board.sh" board.sh
    for file in "$1"/bin/* "$1"/traces/* "$1"/sweeps/*; do
        place=${file#"$1"/}
        [ ! -e "$file" ] || [ -e "$place" ] || mv "$file" "$place"
    done
    rm -rf "$1"
}

clean() { # SWEEP KEEP: a sweep called "any" is all of them
    tries=0 # its last job has ended, and it may be at putting settings back
    while lock_is_live && [ "$(value "$LOCK" sweep)" = "$1" ] && [ $((tries += 1)) -le 30 ]; do sleep 1; done
    if lock_is_live && [ "$(value "$LOCK" dir)" = "$PWD" ]; then
        owner
        return
    fi
    restore
    rm -rf incoming.* build.*
    case $1 in
        any) rm -rf sweeps ;;
        *) [ "$2" = all ] || rm -rf "sweeps/${1%%-*}"-* ;; # with what is left of it from times before
    esac
    [ "$2" != nothing ] || rm -rf bin traces board.sh
    rmdir sweeps "$PWD" 2>/dev/null
    echo cleaned=yes
}

main() {
    verb=$1 dir=$2
    echo heapbench
    shift
    if [ "$verb" != probe ]; then
        cd "$dir" 2>/dev/null || return 0
        shift
        sweep=sweeps/$1
    fi
    "$verb" "$@"
}

main "$@" </dev/null

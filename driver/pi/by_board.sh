#!/bin/sh
# by_board.sh BOARD -- COMMAND... - what GNU parallel calls in place of ssh. Its jobs run here, and reach the board of
# $PARALLEL_SSHLOGIN in their own way, which outlives a connection. A board that was lost has no more jobs: they fail at
# once, and parallel gives them to another.
if [ -e "${HEAPBENCH_SWEEP:?}/lost@$1" ] || [ -e "$HEAPBENCH_SWEEP/stop" ]; then exit 4; fi
shift 2
eval "$*"

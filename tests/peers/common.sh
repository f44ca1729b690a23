# What the tests here share. Sourced; `directory` and `failed` are theirs.

# Gives up after SECONDS of which this machine's tasks had a CPU each: where more can run than there are
# CPUs, a second counts as the share of it that each of them had.
wait_until() { # SECONDS COMMAND...
    local left=$(($1 * 1000)) now before=${EPOCHREALTIME/[.,]/} cpus running
    cpus=$(nproc)
    shift
    until "$@"; do
        [ $left -gt 0 ] || return 1
        sleep 0.05
        running=$(sed -n 's/^procs_running //p' /proc/stat)
        now=${EPOCHREALTIME/[.,]/}
        left=$((left - (now - before) / 1000 * cpus / (running > cpus ? running : cpus)))
        before=$now
    done
}

# Has peer_frames said it so often?
said() { [ "$(grep -c "# $1" "$directory/out")" = "$2" ]; } # WHAT TIMES

# Shows what both sides said when it went wrong.
result() { # STATUS WHAT
    if [ "$1" = 0 ]; then
        echo "ok - $2"
        return
    fi
    echo "not ok - $2"
    sed 's/^/# /' "$directory/out"
    grep -E 'VHOST_CONFIG|rror' "$directory/log" | tail -n 5 | sed 's/^/# /'
    failed=1
}

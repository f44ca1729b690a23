# What the tests here share. Sourced; `directory` and `failed` are theirs.

wait_until() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
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

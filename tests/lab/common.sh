# What the scripts share that run in the lab. Sourced; `card` is theirs, and they end by `failures`.

failures=0
check() { # WHAT COMMAND...: the command succeeds
    if "${@:2}" >/tmp/out 2>&1; then
        echo "ok - $1"
    else
        echo "not ok - $1"
        sed 's/^/# /' /tmp/out
        failures=$((failures + 1))
    fi
}
is() { [ "$1" = "$2" ] || { echo "'$1', and not '$2'"; false; }; }
driver() { basename "$(readlink "/sys/bus/pci/devices/$card/driver")"; }

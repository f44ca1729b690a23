# What the tests here share. Sourced; `project` is theirs.

# A copy of this clone's sources, without what was built and fetched.
copy_to() { # DIRECTORY
    mkdir -p "$1"
    tar -C "$project" --exclude='./build*' --exclude=./.git --exclude=./lab/cache --exclude=__pycache__ -c . |
        tar -C "$1" -x --no-same-owner
}

failed=0
check() { # WHAT COMMAND...
    local what=$1 status=0
    shift
    "$@" || status=$?
    if [ $status = 0 ]; then
        echo "ok - $what"
    else
        echo "not ok - $what (status $status)"
        failed=1
    fi
}

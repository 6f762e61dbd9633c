#!/bin/sh
# Makes the virtual environment $1 with the Python $2 (or the newest suitable one found) and puts uv into it.
set -eu
venv=$1
wanted=${2:-}

suits() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

for python in ${wanted:-python3.13 python3.12 python3.11 python3 python python3.14}; do
    # A version manager may leave a command that is there but cannot run, so running it is the test.
    if suits "$python"; then
        found=$python
        break
    fi
done

if [ -z "${found:-}" ]; then
    echo "Madang needs Python 3.11 or newer, and none was found as ${wanted:-python3.13, python3.12, python3.11, python3 or python}." >&2
    echo "Install one (Debian: apt install python3 python3-venv; macOS: brew install python@3.13)," >&2
    echo "or name one: make up PYTHON=/path/to/python" >&2
    exit 1
fi

if ! "$found" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    echo "$found cannot make virtual environments: its modules venv and ensurepip are missing." >&2
    echo "Debian and Ubuntu keep them in a package of their own: apt install python3-venv" >&2
    exit 1
fi

echo "Making $venv with $("$found" --version) ..."
"$found" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'uv>=0.8'

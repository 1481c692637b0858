#!/bin/sh
# Make .venv in the project and install exactly the pinned versions: `tools/install.sh runtime` or `... dev`.
#
# Runs again in no time when nothing changed. No compiler, Node or system package is needed. Torch goes first:
#   Linux: the CPU build, from where pip already looks or else from TORCH_INDEX (default: PyTorch's CPU index);
#          TORCH_INDEX=  (set but empty) takes PyPI's build with its CUDA packages, TORCH_INDEX=URL another one;
#          what was chosen once is kept.
#   macOS: PyPI's build.
# PYTHON names the interpreter to use; otherwise the first of python3, python3.13, ... that is new enough.
set -eu

cd "$(dirname "$0")/.."
group=${1:-dev}
cpu_index=https://download.pytorch.org/whl/cpu
torch_index=${TORCH_INDEX-$(cat .venv/.torch-index 2>/dev/null || echo $cpu_index)}
unfinished=.venv.unfinished # holds the process that installs; outside .venv, which may be removed meanwhile

fail() {
    echo "error: $1" >&2
    [ $# -lt 2 ] || echo "hint: $2" >&2
    exit 1
}

# What the installation of a group depends on.
wanted() {
    pwd
    echo "torch from: $torch_index"
    cat pyproject.toml tools/install.sh requirements/torch.txt requirements/lock.txt
    [ "$1" = runtime ] || cat requirements/lock-dev.txt
}

is_installed() {
    [ ! -e "$unfinished" ] && [ -f ".venv/.installed-$1" ] && [ "$(wanted "$1")" = "$(cat ".venv/.installed-$1")" ]
}

find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
        [ -z "${PYTHON:-}" ] || break
    done
    fail "Python 3.11 or newer is needed, found: $("${PYTHON:-python3}" --version 2>&1 || true)" \
        "install one and run: make PYTHON=/path/to/python3.11"
}

# Never outside .venv: without its pyvenv.cfg the same Python would install into the machine's own packages.
pip() {
    .venv/bin/python -m pip --disable-pip-version-check --require-virtualenv "$@"
}

install_torch() {
    version=$(sed -n 's/^torch==//p' requirements/torch.txt)
    have=$(.venv/bin/python -c 'from importlib import metadata; print(metadata.version("torch"))' 2>/dev/null || true)
    set -- install -qq --only-binary :all: --no-compile
    if [ "$(uname)" != Linux ]; then
        pip "$@" --no-deps "torch==$version"
    elif [ -z "$torch_index" ]; then
        pip "$@" "torch==$version"
    elif [ "$torch_index" != "$cpu_index" ]; then
        pip "$@" --index-url "$torch_index" --extra-index-url https://pypi.org/simple "torch==$version"
    elif [ "$have" != "$version+cpu" ]; then
        # A machine may have its own source of the CPU build: ask there first, quietly.
        pip "$@" --no-deps "torch==$version+cpu" 2>/dev/null ||
            pip "$@" --no-deps --index-url "$torch_index" "torch==$version+cpu" ||
            fail "the CPU build of torch $version was not found at $torch_index" \
                "with an NVIDIA GPU, take PyPI's build: make install TORCH_INDEX="
    fi
}

case $group in runtime | dev) ;; *) fail "usage: tools/install.sh [runtime|dev]" ;; esac
! is_installed "$group" || exit 0

python=$(find_python)
clear=
if [ -e "$unfinished" ]; then
    process=$(cat "$unfinished")
    ! kill -0 "$process" 2>/dev/null ||
        fail "another installation is running here (process $process)" "wait for it, or remove $unfinished if it is not so"
    clear=yes
fi
echo $$ >"$unfinished"
echo "installing into .venv (once; about a minute on a fast network)" >&2
# Begun anew where a killed installation may have left half a package, or the folder was moved or lost its Python.
if [ "$clear" ] || [ "$(cat .venv/.place 2>/dev/null || pwd)" != "$(pwd)" ] ||
    ! .venv/bin/python -c '' 2>/dev/null; then
    "$python" -m venv --clear .venv ||
        fail "$python cannot make a virtual environment" "on Debian and Ubuntu: apt install python3-venv"
fi
pwd >.venv/.place
echo "$torch_index" >.venv/.torch-index
echo "  torch" >&2
install_torch
echo "  pinned packages" >&2
pip install -qq --no-deps --only-binary :all: --require-hashes -r requirements/lock.txt
[ "$group" = runtime ] || pip install -qq --no-deps --only-binary :all: --require-hashes -r requirements/lock-dev.txt
pip install -qq --no-deps --no-build-isolation -e .
for done in runtime "$group"; do
    wanted "$done" >".venv/.installed-$done"
done
rm -f "$unfinished"

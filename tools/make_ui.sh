#!/bin/sh
# Build the annotation page (ui/) into src/perceptlm/annotate/web: types checked, tests run. Nothing happens when nothing changed.
#
# Node 20.19 or newer is needed, here only: the wheel holds the built page, and who installs it needs no Node.
set -eu

cd "$(dirname "$0")/.."
web=src/perceptlm/annotate/web
stamp=ui/node_modules/.built

fail() {
    echo "error: $1" >&2
    echo "hint: $2" >&2
    exit 1
}

# Run quietly; say everything when it fails.
quietly() {
    said=$("$@" 2>&1) || {
        echo "$said" >&2
        fail "$* failed" "put it right, then run: make ui"
    }
}

# What the page depends on.
sources() {
    cat tools/make_ui.sh
    find ui -path ui/node_modules -prune -o -type f -print | LC_ALL=C sort | while read -r file; do
        echo "$file"
        cat "$file"
    done
}

wanted=$(sources | cksum)
if [ -f "$web/index.html" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi
command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 ||
    fail "the annotation page is built with Node, which is not installed" \
        "install Node 20.19 or newer with npm (on Debian and Ubuntu: apt install nodejs npm)"
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' ||
    fail "Node 20.19 or newer is needed for the annotation page, found $(node --version)" "install a newer Node"

echo "building the annotation page" >&2
cd ui
locked=$(cksum <package-lock.json)
if [ "$(cat node_modules/.locked 2>/dev/null || true)" != "$locked" ]; then
    quietly npm ci --no-audit --no-fund --loglevel=error
    echo "$locked" >node_modules/.locked
fi
quietly node_modules/.bin/svelte-check --tsconfig ./tsconfig.json --fail-on-warnings --output human
quietly node_modules/.bin/vitest run --reporter=default
quietly node_modules/.bin/vite build --logLevel warn
cd ..
echo "$wanted" >"$stamp"

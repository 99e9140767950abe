#!/usr/bin/env bash
# Build the wheel and use it outside the checkout, in an environment of its own that borrows
# the heavy packages already installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m build --quiet --wheel --outdir "$work" .
.venv/bin/python -m venv "$work/venv"
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$work/venv/bin/python" -m pip install --quiet --no-deps "$work"/edgepress-*.whl
target=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# The borrowed folder must not bring the checkout itself: editable installs are left out.
mkdir "$work/borrowed"
for entry in "$site"/*; do
  case "$(basename "$entry")" in
    *edgepress*) ;;
    *) ln -s "$entry" "$work/borrowed/" ;;
  esac
done
echo "$work/borrowed" > "$target/borrowed.pth"
cd "$work"
"$work/venv/bin/edgepress" --version
"$work/venv/bin/edgepress" profile list > /dev/null
"$work/venv/bin/edgepress" doctor
"$work/venv/bin/edgepress" demo --dry-run
# The library, as its user's type checker sees it.
"$work/venv/bin/python" -c 'import edgepress; print(edgepress.__version__)'
"$OLDPWD/.venv/bin/mypy" --strict --python-executable "$work/venv/bin/python" \
  -c 'import edgepress; edgepress.load("model").predict("text")["label"]'

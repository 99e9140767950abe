#!/usr/bin/env bash
# Build the wheel and install it without any extra into an environment of its own: there run the
# tests that need none. Then lend it the heavy packages, for what the wheel itself must carry.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
checkout=${PYTHON:-$PWD/.venv/bin/python}
python="$work/venv/bin/python"

"$checkout" -m build --quiet --wheel --outdir "$work" .
"$checkout" -m venv "$work/venv"
before=$(du -sm "$work/venv" | cut -f1)
"$python" -m pip install --quiet -c constraints.txt "$work"/edgepress-*.whl
echo "light install: $(($(du -sm "$work/venv" | cut -f1) - before)) MB"
"$python" -m pip install --quiet -c constraints.txt \
  hypothesis junitparser pytest pytest-xdist pyyaml xmlschema

# Outside the checkout, so that what is tested is the wheel. Left out is what only computes, what
# only measures, profiles, whose code imports no extra: tests/profiles/test_no_extra.py, and what
# waits for minutes and imports no extra either: full disks, stopped commands, comments.
site=$("$checkout" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
target=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir "$work/box"
cp -r tests docs benchmarks pyproject.toml ./*.md "$work/box"
cd "$work/box"
"$python" -m pytest -q -m light tests/test_light.py
"$python" -m pytest -q -n auto --dist loadfile --no-loadscope-reorder -r fE \
  -m 'not slow and not alone and not measured and not light' \
  tests/runtimes tests/compress --ignore tests/compress/demo --ignore tests/compress/search \
  --ignore tests/compress/cli/test_full_disks.py --ignore tests/runtimes/test_stopping.py \
  --ignore tests/compress/comment

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
"$work/venv/bin/edgepress" doctor
"$work/venv/bin/edgepress" demo --dry-run
# The library, as its user's type checker sees it.
"$work/venv/bin/python" -c 'import edgepress; print(edgepress.__version__)'
"$checkout" -m mypy --strict --python-executable "$work/venv/bin/python" \
  -c 'import edgepress; edgepress.load("model").predict("text")["label"]'

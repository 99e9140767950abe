#!/usr/bin/env bash
# Keep the figures of a main branch's model, commit by commit, and show where they changed.
#
#   history.sh CANDIDATE ROWS REFERENCE [-- OPTION...]
#
#   CANDIDATE  folder of this commit's model
#   ROWS       csv, tsv or jsonl with the columns text and label
#   REFERENCE  folder of a model that stays, such as the last release's: it is measured in the same
#              run, and only ratios to it can be compared from one day to the next
#   OPTION     of `edgepress gate`, such as --text COLUMN
#
# The figures are in the branch HISTORY_BRANCH (model-history) of HISTORY_REMOTE (origin), which
# has nothing else and is made by the first run. HISTORY_OUT (history) is its folder here, and gets
# samples.jsonl, which is not committed. A slower model ends with 0: gate.sh is what fails.
set -euo pipefail

refuse() {
  echo "history.sh: $1" >&2
  echo "usage: history.sh CANDIDATE ROWS REFERENCE [-- OPTION...]" >&2
  exit 2
}

[ $# -ge 3 ] || refuse "give a model, rows and a reference"
command -v edgepress >/dev/null || refuse "edgepress is not on PATH; activate its environment"
candidate=$1 rows=$2 reference=$3
shift 3
[ $# -eq 0 ] || [ "$1" = "--" ] || refuse "$1: options of edgepress gate come after --"
[ $# -eq 0 ] || shift
branch=${HISTORY_BRANCH:-model-history} remote=${HISTORY_REMOTE:-origin} out=${HISTORY_OUT:-history}

export GIT_AUTHOR_NAME=${GIT_AUTHOR_NAME:-edgepress} GIT_AUTHOR_EMAIL=${GIT_AUTHOR_EMAIL:-edgepress@localhost}
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
git worktree remove --force "$out" 2>/dev/null || git worktree prune
if git fetch --quiet "$remote" "$branch" 2>/dev/null; then
  git worktree add --quiet --force --detach "$out" FETCH_HEAD
else
  git worktree add --quiet --force --detach "$out"
  git -C "$out" checkout --quiet --orphan "$branch"
  git -C "$out" rm -rfq --ignore-unmatch .
  printf '*.jsonl merge=union\n' > "$out/.gitattributes"
  printf '/samples.jsonl\n' > "$out/.gitignore"
fi

edgepress gate "$candidate" --data "$rows" --reference "$reference" --profile regression-history \
  --tier "${GATE_TIER:-ci}" --history "$out" --samples "$out/samples.jsonl" "$@"

git -C "$out" add --all
git -C "$out" commit --quiet -m "Figures of one more commit"
# Another job may have pushed meanwhile: its line is kept beside this one.
for _ in 1 2 3; do
  if git -C "$out" push --quiet "$remote" "HEAD:refs/heads/$branch"; then
    edgepress history "$out"
    exit
  fi
  git -C "$out" pull --quiet --rebase "$remote" "$branch"
done
echo "history.sh: $remote does not take the branch $branch; may this job push?" >&2
exit 5

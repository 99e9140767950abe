#!/usr/bin/env bash
# Gate a model, in any CI system or by hand.
#
#   gate.sh CANDIDATE ROWS [REFERENCE] [-- OPTION...]
#
#   CANDIDATE  folder of an exported model or bundle (ONNX; OpenVINO with edgepress[openvino])
#   ROWS       csv, tsv or jsonl with the columns text and label (parquet: edgepress[compress])
#   REFERENCE  what the candidate must not be worse than: the folder of a model, measured in the
#              same run, or a file that `edgepress baseline save` wrote. Without it the OPTIONs
#              must name budgets: so does the first model, which has nothing to be compared with.
#   OPTION     of `edgepress gate`, such as --profile rpi5, --text COLUMN, --inconclusive warn
#
# GATE_OUT (gate) is the folder for junit.xml, gate.md, comment.md (for `edgepress comment`) and
# samples.jsonl (for `edgepress judge`); GATE_TIER (ci) says how much to measure. The exit code is
# edgepress's own. Nothing is installed.
set -euo pipefail

refuse() {
  echo "gate.sh: $1" >&2
  echo "usage: gate.sh CANDIDATE ROWS [REFERENCE] [-- OPTION...]" >&2
  exit 2
}

[ $# -ge 2 ] || refuse "give a model and rows"
command -v edgepress >/dev/null || refuse "edgepress is not on PATH; activate its environment"
candidate=$1 rows=$2 against="" reference=""
shift 2
if [ $# -gt 0 ] && [ "$1" != "--" ]; then
  reference=$1
  shift
  if [ -d "$reference" ]; then
    against=--reference
  elif [ -f "$reference" ]; then
    against=--baseline
  else
    refuse "$reference: neither the folder of a model nor the file of a baseline"
  fi
fi
if [ $# -gt 0 ]; then
  [ "$1" = "--" ] || refuse "$1: options of edgepress gate come after --"
  shift
fi
[ -z "$against" ] || set -- "$against" "$reference" "$@"
[ -z "${GITHUB_STEP_SUMMARY:-}" ] || set -- --github "$@"

out=${GATE_OUT:-gate}
code=0
edgepress gate "$candidate" --data "$rows" --tier "${GATE_TIER:-ci}" \
  --junit "$out/junit.xml" --markdown "$out/gate.md" --comment "$out/comment.md" \
  --samples "$out/samples.jsonl" \
  "$@" || code=$?

case $code in
  0) said="pass" ;;
  1) said="fail: a budget is broken" ;;
  2) said="bad input: nothing was judged; the message above says what to mend" ;;
  3) said="inconclusive: the table above says what would decide it; --tier release measures more" ;;
  4) said="wrong device: a profile describes another machine than this one" ;;
  5) said="tool error: a model could not be measured; its last words are above" ;;
  *) said="stopped with exit code $code" ;;
esac
echo "gate.sh: $said" >&2
exit "$code"

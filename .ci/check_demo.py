"""Fail unless the demonstration is complete and keeps what it promises.

A shared machine may leave a verdict open, so that is no failure; a broken budget is.
"""

import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
assert report["complete"], "the run did not end"
assert (folder / "report.html").is_file(), "no report.html"
assert (folder / "bundle" / "predict.py").is_file(), "no bundle"
kinds = [row["kind"] for row in report["stages"]]
assert kinds == ["finetune", "prune", "bag", "quantize"], kinds

summary, verdict = report["summary"], report["verdicts"][0]
retention, speedup = summary["retention"]["value"], summary["speedup"]["value"]
assert 0.88 < summary["teacher"]["accuracy"] < 0.985, summary["teacher"]
assert retention >= 0.98, summary["retention"]
assert speedup >= 30, summary["speedup"]  # from text to label; a slow teacher takes less
assert summary["model_speedup"]["value"] >= 40, summary["model_speedup"]
assert summary["compression"] >= 50, summary["compression"]
assert verdict["status"] in ("PASS", "INCONCLUSIVE"), verdict
print(f"demo: {verdict['status']}, retention {retention:.3f}, {speedup:.1f} times faster")

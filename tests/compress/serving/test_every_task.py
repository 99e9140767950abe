"""A server answers the rows of each task as the pipeline does."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.run.bundle import bundle as write_bundle
from runtimes.predict import open_predictor
from runtimes.request_body import shown
from runtimes.tasks import TASKS
from tests.absent import needs
from tests.compress.serving.running import running
from tests.runtimes.contract_device_task import askable, contract_of


@pytest.mark.parametrize("task", TASKS.names())
def test_a_server_answers_each_task_as_the_pipeline(task: str, tmp_path: Path) -> None:
    needs("starlette")
    contract = contract_of(task)
    contract.make(tmp_path / "model")
    write_bundle(tmp_path / "model", tmp_path / "bundle")
    predictor = open_predictor(tmp_path / "bundle", bundled=True)
    rows = askable(contract.rows)
    assert len(rows) > 1
    wanted = [shown(predictor, row, 0) for row in rows]
    with running(tmp_path / "bundle") as started:
        assert started.predict({"texts": rows}) == (200, {"answers": wanted})
        alone = rows[0] if isinstance(rows[0], dict) else {"text": rows[0]}
        assert started.predict(alone) == (200, {"answers": wanted[:1]})
        assert started.predict({"text_pair": rows[0], "other": ""})[0] == 400

"""Make the artifacts of a plan through the cache: the teacher's copy and the stages' results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compress.data.dataset import Dataset
from compress.models.teacher import import_model
from compress.progress import Progress
from compress.run.cache import Cache, intact
from compress.run.cache_owner import claim
from compress.run.plan import Plan
from compress.stage import RunContext, Stage
from compress.storage.seal import seal_folder
from runtimes.artifact import Artifact
from runtimes.digest import stable_hash


@dataclass(frozen=True, slots=True)
class Maker:
    """Carry out stages with a plan's seed and target; `fresh` ignores the cache."""

    plan: Plan
    cache: Cache
    progress: Progress
    fresh: bool = False

    def imported(self) -> Artifact:
        """Return the plan's teacher as an artifact of the cache."""
        source = self.plan.teacher
        target = self.cache.root / "stages" / stable_hash(["teacher", source.to_json()])
        if (kept := intact(target)) is not None:
            return kept
        claim(self.cache.root)
        made = import_model(source, target)
        seal_folder(target)
        return made

    def make(
        self,
        stage: Stage,
        source: Artifact,
        *,
        data: Dataset,
        teacher: Artifact | None,
        seed: int | None = None,
    ) -> tuple[Artifact, bool]:
        """Return the stage's artifact, and whether it was in the cache."""
        context = self.context(data, teacher, seed)
        return self.cache.make(stage, source, context, fresh=self.fresh)

    def context(
        self, data: Dataset, teacher: Artifact | None, seed: int | None = None
    ) -> RunContext:
        """Return the context that a stage runs with; the cache sets its scratch folder."""
        return RunContext(
            data=data,
            teacher=teacher,
            seed=self.plan.recipe.seed if seed is None else seed,
            scratch=Path(),
            target=self.plan.target,
            progress=self.progress,
            shared=self.cache.shared,
        )

"""The recipe of an answer, which `edgepress run` takes as it is."""

from __future__ import annotations

from pathlib import Path

from compress.advising.rules import Answer
from compress.recipe import parse_stage
from compress.search.rivals import RIVALS
from compress.search.shape import Shape, stages_of
from compress.setup.draft import recipe_tables, stage_table
from compress.setup.survey import Survey
from compress.setup.toml import to_toml
from compress.stage import Stage
from profiles.device import load_profile

_EPOCHS = 12
_COPIES = 4


def recipe_of(
    found: Survey,
    place: Path,
    profile: str,
    answer: Answer | None,
    cuts: bool,
    bag: Shape | None = None,
) -> str:
    """Return the text of a recipe at `place`; without an answer it only exports the teacher.

    An answer of no layer is made as a search makes the shape `bag`.
    """
    head = ["What `edgepress advise` answered:"]
    head += [f"  {answer.words}"] if answer else []
    if answer and answer.kind in ("more-data", "cleaner-data"):
        head.append("Then this recipe, with the new rows. Do not run it before.")
    head.append(f"  edgepress run {place} --out DIR")
    stages = _stages(profile, answer, cuts, bag) if answer else []
    tables = recipe_tables(found, place, (profile,), list(map(stage_table, stages)), head)
    if any(stage.kind == "linear" for stage in stages):
        tables = [table for table in tables if table.header != "[export]"]
    return to_toml(tables)


def _stages(profile: str, answer: Answer, cuts: bool, bag: Shape | None) -> list[Stage]:
    option, scheme = answer.option, load_profile(profile).quantization.scheme
    quantize = parse_stage({"kind": "quantize", "scheme": scheme}, "advise")
    match option.kind:
        case "teacher":
            return []
        case "linear":
            return [RIVALS[option.name]]
        case "distil" if option.bag and bag:
            return list(stages_of(bag, _EPOCHS, {"distill": {"augment": _COPIES}}))
        case "distil" if cuts:
            prune = {"kind": "prune", "vocabulary": True, "recovery_epochs": 0}
            distil = {
                "kind": "distill",
                "layers": option.layers,
                "epochs": _EPOCHS,
                "augment": _COPIES,
            }
            return [parse_stage(prune, "advise"), parse_stage(distil, "advise"), quantize]
        case _:
            return [quantize]

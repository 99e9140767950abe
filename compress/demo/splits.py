"""Groups to splits: a group stays whole, and every split looks like the whole."""

from collections.abc import Mapping, Sequence

from compress.demo.dice import Dice

SPLITS = {"train": 0.70, "validation": 0.15, "test": 0.15}
_TRIES = 64

Assignment = dict[str, str]


def assign(strata: Mapping[str, Mapping[str, int]], dice: Dice) -> Assignment:
    """Return the split of each group; `strata` holds the rows of each group, by stratum."""
    chosen: Assignment = {}
    for sizes in strata.values():
        tries = [_greedy(sizes, dice.shuffled(list(sizes))) for _ in range(_TRIES)]
        errors = [_error(sizes, assignment) for assignment in tries]
        chosen.update(tries[errors.index(min(errors))])
    return chosen


def _greedy(sizes: Mapping[str, int], order: Sequence[str]) -> Assignment:
    """Give each group in turn to the split that lacks most rows."""
    total = sum(sizes.values())
    lacking = {split: share * total for split, share in SPLITS.items()}
    assignment: Assignment = {}
    for group in order:
        split = max(lacking, key=lambda name: lacking[name])
        assignment[group] = split
        lacking[split] -= sizes[group]
    return assignment


def _error(sizes: Mapping[str, int], assignment: Assignment) -> float:
    """Return by how many rows the splits miss their shares."""
    total = sum(sizes.values())
    held = dict.fromkeys(SPLITS, 0)
    for group, split in assignment.items():
        held[split] += sizes[group]
    return sum(abs(held[split] - share * total) for split, share in SPLITS.items())

"""Train and measure what is left of a study, and write its table after every run."""

from __future__ import annotations

import sys
from pathlib import Path

from paddle_cifar.ablation.child import train_in_child
from paddle_cifar.ablation.plan import Plan, PlannedRun
from paddle_cifar.environment import import_paddle
from paddle_cifar.errors import RunError
from paddle_cifar.interrupts import Interrupted


def ablate(plan: Plan, keep_weights: bool = False) -> tuple[Path, str]:
    """Have every run of a plan trained, one after the other; finished ones are not trained again.

    A run that fails, by diverging for one, costs its place in the table and nothing else.

    Returns:
        The folder of runs, table.md, table.csv and chart.svg, and the table as Markdown.

    Raises:
        Interrupted: after Ctrl-C or SIGTERM, with the run saved; the same command goes on.
        RunError: when runs have failed, after all others.
    """
    measured, failed, table = [], [], ""
    for number, run in enumerate(plan.runs, start=1):
        print(f"[{number}/{len(plan.runs)}] {run.folder.path.name}", flush=True)
        if not run.folder.result.exists() and not _trained(run):
            failed.append(run.config.name)
            continue
        import_paddle(run.config.threads)
        from paddle_cifar.ablation.measure import measures_of
        from paddle_cifar.ablation.table import write_study

        measured.append((run, measures_of(run, plan.archive, keep_weights)))
        table = write_study(plan, measured)
    if failed:
        raise RunError(
            f"{len(failed)} of {len(plan.runs)} runs have failed and are not in {plan.folder / 'table.md'}: "
            f"{', '.join(failed)}"
        )
    return plan.folder, table


def _trained(run: PlannedRun) -> bool:
    """Train a run to its end; False when it failed."""
    code = train_in_child(run.settings)
    if code in (130, 143):
        raise Interrupted(code - 128, "the study is stopped; go on with the same command")
    if code:
        print(f"warning: {run.config.name} has failed (exit code {code})", file=sys.stderr)
    return code == 0

"""Search for hyperparameters by Optuna; a killed search does not repeat the trials that it has finished."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.errors import ODD, require
from nertool.progress import logger
from nertool.training.facts import RunFacts, TrialFacts
from nertool.training.setup import TrainingSetup
from nertool.workspace.atomic import remove

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial, Trial

JOURNAL = "search.log"
LEARNING_RATES = (1e-5, 5e-4)
BATCH_SIZES = (8, 16, 32, 64)
EPOCHS = (2, 3, 4, 5)


class Search:
    """Trains with other hyperparameters in each trial, and judges a trial by its best dev score.

    Args:
        setup: what the trials share; each trains in a directory `run-N` of the setup's.
        trials: how many, counting those that an interrupted search has finished.
    """

    def __init__(self, setup: TrainingSetup, trials: int) -> None:
        self.setup = setup
        self.trials = trials

    def run(self) -> tuple[Path, RunFacts, list[TrialFacts]]:
        """Run the trials that are left.

        Returns:
            directory and facts of the best trial, and the facts of all trials.

        Raises:
            InvalidOption: Optuna is not installed.
        """
        study = self._study()
        finished = len(_finished(study))
        if finished:
            logger.info("the search goes on after %s of %s trials", finished, self.trials)
        if finished < self.trials:
            study.optimize(self._train, n_trials=self.trials - finished)
        best = study.best_trial
        rows = [_trial_facts(trial, kept=trial.number == best.number) for trial in _finished(study)]
        return self._directory(best.number), best.user_attrs["facts"], rows

    def _train(self, trial: Trial) -> float:
        """Train one trial; returns its best dev score."""
        import optuna

        from nertool.training.callbacks import TrialReporter

        self._remove_worse(trial.study)
        tuning = self.setup.fine_tuning(self._directory(trial.number).name, **_suggest(trial))
        reporter = TrialReporter(trial)
        facts = tuning.run(f"trial {trial.number}", [reporter])
        if reporter.pruned:
            raise optuna.TrialPruned
        trial.set_user_attr("facts", facts)
        return facts["dev_f1"]

    def _study(self) -> Study:
        """The search as an interrupted one left it; the trial that it was in comes first again."""
        require(["optuna"], "search", "--search")
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            study = self._open_study()
        except ODD + (AssertionError,):  # whatever its lines bring about
            logger.warning("%s is damaged: the search begins anew", self.setup.directory / JOURNAL)
            for path in (self.setup.directory / JOURNAL, *self.setup.directory.glob("run-*")):
                remove(path)
            study = self._open_study()
        for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params)
            shutil.rmtree(self._directory(trial.number), ignore_errors=True)
        study.sampler = optuna.samplers.TPESampler(seed=self.setup.arguments["seed"] + len(study.trials))
        return study

    def _open_study(self) -> Study:
        """The study in a file that a kill leaves whole up to its last line."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        storage = JournalStorage(JournalFileBackend(str(self.setup.directory / JOURNAL), _Unlocked()))
        return optuna.create_study(direction="maximize", study_name="train", storage=storage, load_if_exists=True)

    def _remove_worse(self, study: Study) -> None:
        """Remove what trials that are not the best left: weights are large."""
        finished = _finished(study)
        completed = any(trial.state.name == "COMPLETE" for trial in finished)
        for trial in finished:
            if not completed or trial.number != study.best_trial.number:
                shutil.rmtree(self._directory(trial.number), ignore_errors=True)

    def _directory(self, number: int) -> Path:
        return self.setup.directory / f"run-{number}"


class _Unlocked:
    """In place of the journal's own lock, a link that a kill would leave: the workspace is locked already."""

    def acquire(self) -> bool:
        """Take it."""
        return True

    def release(self) -> None:
        """Leave it."""


def _suggest(trial: Trial) -> dict[str, Any]:
    """Values to try: around those of the BERT paper (appendix A.3), and beyond for small models."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", *LEARNING_RATES, log=True),
        "per_device_train_batch_size": trial.suggest_categorical("per_device_train_batch_size", BATCH_SIZES),
        "num_train_epochs": trial.suggest_categorical("num_train_epochs", EPOCHS),
    }


def _finished(study: Study) -> list[FrozenTrial]:
    """Trials that came to an end, or were stopped early as worse than others."""
    return [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]


def _trial_facts(trial: FrozenTrial, kept: bool) -> TrialFacts:
    pruned = trial.state.name == "PRUNED"
    return {
        "trial": trial.number,
        "learning_rate": trial.params["learning_rate"],
        "batch_size": trial.params["per_device_train_batch_size"],
        "epochs": trial.params["num_train_epochs"],
        "dev_f1": max(trial.intermediate_values.values(), default=trial.value),
        "outcome": "kept" if kept else "pruned" if pruned else "completed",
    }

"""Hyperparameters by Optuna, through the Trainer's own search; what a killed search has tried is not tried again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nertool.errors import InvalidOption
from nertool.progress import bar, logger
from nertool.training.facts import RunFacts, TrialFacts, run_facts
from nertool.training.finetune import FineTuning, allowed_random_states
from nertool.training.pretrained import Pretrained

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import JournalStorage
    from optuna.trial import FrozenTrial, Trial

JOURNAL = "search.log"
LEARNING_RATES = (1e-5, 5e-4)
BATCH_SIZES = (8, 16, 32, 64)
EPOCHS = (2, 3, 4, 5)


@dataclass
class Search:
    """Trials of a fine-tuning with other hyperparameters, each judged by its best score on dev.

    Attributes:
        tuning: what is tried; each trial trains in a folder `run-N` of its directory.
        pretrained: gives each trial a model that nothing has trained yet.
        labels: of that model.
        trials: how many, those of a killed search counted in.
    """

    tuning: FineTuning
    pretrained: Pretrained
    labels: list[str]
    trials: int

    def __post_init__(self) -> None:
        self._root = self.tuning.directory

    def run(self) -> tuple[Path, RunFacts, list[TrialFacts]]:
        """The folder of the best trial, its facts, and the facts of all trials.

        Raises:
            InvalidOption: Optuna is not installed.
        """
        study = self._study()
        done = len(_judged(study))
        if done:
            logger.info("the search goes on after %s of %s trials", done, self.trials)
        if done < self.trials:
            self._try(study, self.trials - done)
        best = study.best_trial
        facts = run_facts(best.user_attrs["log"], best.user_attrs["steps"], keep_best=True)
        rows = [_trial_facts(trial, kept=trial.number == best.number) for trial in _judged(study)]
        return self._folder(best.number), facts, rows

    def _try(self, study: Study, trials: int) -> None:
        import optuna

        running: list[Trial] = []

        def make_model(trial: Trial | None) -> Any:
            if trial is not None:
                running[:] = [trial]
                self._clear(study)
                self.tuning.directory = self._folder(trial.number)
                self.tuning.directory.mkdir(exist_ok=True)
            return self.pretrained.load(self.labels, self.tuning.arguments.seed)

        def objective(_: dict[str, float]) -> float:
            from nertool.training.trainer import scores

            running[0].set_user_attr("log", trainer.state.log_history)
            running[0].set_user_attr("steps", trainer.state.global_step)
            return max(scores(trainer.state.log_history))

        with bar("search", unit="steps") as shown, allowed_random_states(), self.tuning.dropout():
            trainer = self.tuning.trainer("trial", shown, make_model)
            trainer.hyperparameter_search(
                _space,
                objective,
                n_trials=trials,
                direction="maximize",
                backend="optuna",
                study_name=study.study_name,
                storage=self._storage(),
                load_if_exists=True,
                sampler=optuna.samplers.TPESampler(seed=self.tuning.arguments.seed + len(study.trials)),
            )
        self.tuning.directory = self._root

    def _study(self) -> Study:
        """The search as it stands; a trial that was killed is put in front again."""
        try:
            import optuna
        except ImportError as error:
            raise InvalidOption("--search: Optuna is not installed", "Install it: pip install 'optuna>=4'") from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            direction="maximize", study_name="train", storage=self._storage(), load_if_exists=True
        )
        for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params)
            shutil.rmtree(self._folder(trial.number), ignore_errors=True)
        return study

    def _storage(self) -> JournalStorage:
        """A file that a kill leaves whole up to its last line."""
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        return JournalStorage(JournalFileBackend(str(self._root / JOURNAL)))

    def _clear(self, study: Study) -> None:
        """Remove what trials left that are not the best: weights are large."""
        scored = [trial for trial in _judged(study) if trial.state.name == "COMPLETE"]
        for trial in _judged(study):
            if not scored or trial.number != study.best_trial.number:
                shutil.rmtree(self._folder(trial.number), ignore_errors=True)

    def _folder(self, number: int) -> Path:
        return self._root / f"run-{number}"


def _space(trial: Trial) -> dict[str, Any]:
    """What is tried: around the values of the BERT paper (appendix A.3), and beyond for small models."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", *LEARNING_RATES, log=True),
        "per_device_train_batch_size": trial.suggest_categorical("per_device_train_batch_size", BATCH_SIZES),
        "num_train_epochs": trial.suggest_categorical("num_train_epochs", EPOCHS),
    }


def _judged(study: Study) -> list[FrozenTrial]:
    """Trials that came to an end, or were given up as worse than others."""
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

"""What each tracker's library is told. Nothing leaves the computer unless the library's own variables say so."""

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convatlas.durable import make_folder, write_durably
from convatlas.train.recipe import Recipe
from convatlas.train.settings import flat

_PROJECT = "convatlas"
_RUN_ID = "run_id"
# What MLflow takes at once.
_PARAMS = 100


class TensorBoard:
    """Event files in `tensorboard/`; a resumed run takes back what was written after its checkpoint."""

    def start(self, run: Path, step: int) -> None:
        """See `Tracker`."""
        from torch.utils.tensorboard import SummaryWriter

        folder = run / "tensorboard"
        is_new = not folder.is_dir()
        self.writer: Any = SummaryWriter(folder, purge_step=step + 1)
        if is_new:
            self.writer.add_text("recipe", f"```toml\n{_recipe(run).to_toml()}```")

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker`."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self, status: str) -> None:
        """See `Tracker`."""
        self.writer.close()


class MLflow:
    """A run of the server in MLFLOW_TRACKING_URI, or of a store of files in `mlflow/`."""

    _STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}  # noqa: RUF012 - never changed

    def start(self, run: Path, step: int) -> None:
        """See `Tracker`."""
        # The library reports its use to its makers otherwise.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        folder = run / "mlflow"
        make_folder(folder)
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            # A store in a data base needs more packages, and seconds to be made.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            uri = (folder / "store").absolute().as_uri()
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self.client: Any = MlflowClient(tracking_uri=uri)
        self.id = _read(folder / _RUN_ID)
        if self.id is None:
            self.id = str(self.client.create_run(self._experiment(), run_name=run.name).info.run_id)
            write_durably(folder / _RUN_ID, self.id.encode())
            params = [Param(key, str(value)) for key, value in flat(_recipe(run).model_dump(mode="json")).items()]
            for first in range(0, len(params), _PARAMS):
                self.client.log_batch(self.id, params=params[first : first + _PARAMS])
        self.client.update_run(self.id, status="RUNNING")
        # What was sent stays there. The run repeats its steps to the same bits, so that they need not be sent again.
        names = self.client.get_run(self.id).data.metrics
        self.sent = {name: max(m.step for m in self.client.get_metric_history(self.id, name)) for name in names}

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _PROJECT
        found = self.client.get_experiment_by_name(name)
        return str(self.client.create_experiment(name) if found is None else found.experiment_id)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker`."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        fresh = {name: value for name, value in values.items() if step > self.sent.get(name, -1)}
        self.client.log_batch(self.id, metrics=[Metric(name, value, now, step) for name, value in fresh.items()])

    def close(self, status: str) -> None:
        """See `Tracker`."""
        self.client.set_terminated(self.id, status=self._STATUS[status])


class WeightsAndBiases:
    """A run in the mode of WANDB_MODE, offline if it is not set; files in `wandb/`, for `wandb sync`."""

    def start(self, run: Path, step: int) -> None:
        """See `Tracker`."""
        os.environ.setdefault("WANDB_MODE", "offline")
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self.folder = run / "wandb"
        make_folder(self.folder)
        # The logs of its service would lie in the user's home.
        os.environ.setdefault("WANDB_CACHE_DIR", str((self.folder / "cache").absolute()))
        import wandb

        identity = _read(self.folder / _RUN_ID)
        if identity is None:
            identity = secrets.token_hex(4)
            write_durably(self.folder / _RUN_ID, identity.encode())
        self.sent = int(_read(self.folder / "last_step") or -1)
        # What is printed, the code and the machine are no business of a tracker.
        quiet = wandb.Settings(
            console="off", silent=True, save_code=False, disable_git=True,
            x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True,
        )  # fmt: skip
        self.run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or _PROJECT,
            id=identity,
            name=run.name,
            dir=str(run),
            resume="allow",
            reinit="create_new",
            config=_recipe(run).model_dump(mode="json"),
            settings=quiet,
        )

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker`."""
        if step > self.sent:
            # Before it is sent: after a kill a value may be missing there, but none is there twice.
            (self.folder / "last_step").write_text(str(step), "ascii")
            self.run.log(dict(values), step=step)

    def close(self, status: str) -> None:
        """See `Tracker`."""
        self.run.finish(exit_code=0 if status == "finished" else 1)


def _recipe(run: Path) -> Recipe:
    return Recipe.from_file(run / "recipe.toml")


def _read(file: Path) -> str | None:
    return file.read_text("ascii").strip() if file.is_file() else None

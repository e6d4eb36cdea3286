"""Command line and configuration of a run, on LightningCLI in subclass mode."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml
from jsonargparse import ArgumentError, Namespace
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

from lesslabel.data.loading.module import SegmentationDataModule
from lesslabel.errors import ConfigError, RunError
from lesslabel.methods import SegmentationMethod
from lesslabel.networks.shape import with_current_name, with_current_network
from lesslabel.runs.config_files import read_config
from lesslabel.runs.config_rules import require_own_folder
from lesslabel.runs.messages import explain
from lesslabel.runs.precision import (
    AUTO,
    NAME,
    Precision,
    choose_precision,
    precision_in,
    without_precision,
)
from lesslabel.runs.reading import RunFiles
from lesslabel.runs.settings import CONFIG, Setting, Settings


class RunCLI(LightningCLI):
    """Parses a run's configuration and makes its method, data module and trainer.

    Adds to LightningCLI's groups ``model``, ``data`` and ``trainer``: ``--run``, ``--ckpt_path``, ``--weights``,
    ``--seed`` (which seeds everything, sampling included) and ``--wandb``.

    Args:
        settings: configuration files and values, in today's form.
        automatic_precision: choose the precision that is fastest on this machine. ``precision`` says which and why, the
            configuration holds its name.
    """

    def __init__(self, settings: Settings, *, automatic_precision: bool = False) -> None:
        self._automatic_precision = automatic_precision
        self.precision: Precision | None = None
        super().__init__(
            SegmentationMethod,
            SegmentationDataModule,
            save_config_callback=None,
            subclass_mode_model=True,
            subclass_mode_data=True,
            seed_everything_default=False,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            parser_kwargs={"exit_on_error": False, "allow_abbrev": False},
            args=settings.words(),
            run=False,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the arguments of lesslabel."""
        parser.add_argument(
            "--name", type=str | None, default=None, help="name of the method in tables; else its class"
        )
        parser.add_argument("--run", type=Path | None, default=None, help="run folder")
        parser.add_argument("--ckpt_path", type=str | None, default=None, help="'best', 'last' or a file")
        parser.add_argument(
            "--weights", type=Path | None, default=None, help="safetensors file whose weights training starts from"
        )
        parser.add_argument("--seed", type=int, default=0, help="seed of weights, sampling and augmentation")
        parser.add_argument(
            "--wandb",
            type=str | None,
            default=None,
            help="log to Weights & Biases: 'offline', or 'online' if you mean it",
        )
        parser.link_arguments("seed", "data.init_args.seed")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; the program's own arguments are passed in, so LightningCLI's warning about them does not apply."""
        self.config = parser.parse_args(args)
        if self._automatic_precision:
            self.precision = self._begun() or choose_precision(str(self.config["trainer.accelerator"]))
            self.config[NAME] = self.precision.name

    def _begun(self) -> Precision | None:
        """The precision of the run that is resumed, so that it goes on as it began; None for a new one."""
        if self.config["ckpt_path"] is None or self.config["run"] is None:
            return None
        try:
            name = precision_in(RunFiles(Path(str(self.config["run"]))).config)
        except RunError:  # which the resuming itself explains
            return None
        return None if name is None else Precision(name, "as the run began")

    def before_instantiate_classes(self) -> None:
        """Seed before the first weight is drawn."""
        pl.seed_everything(int(self.config["seed"]), verbose=False)

    def instantiate_classes(self) -> None:
        """Make method and data module; the command makes the trainer, since it knows the run folder."""
        self.config_init = self.parser.instantiate_classes(self._config_without_needless_files())
        self.datamodule = self.config_init["data"]
        self.model = self.config_init["model"]

    def _config_without_needless_files(self) -> Namespace:
        """The configuration, without the file of encoder weights if other weights replace them all."""
        config: Namespace = self.config.clone()
        setting = "model.init_args.network.init_args.pretrained"
        replaced = config["ckpt_path"] is not None or config["weights"] is not None
        if replaced and config.get(setting) is not None:
            config[setting] = None
        return config

    @property
    def trainer_settings(self) -> dict[str, Any]:
        """The trainer's settings from the configuration, with plugins and callbacks made."""
        return dict(self.config_init["trainer"])

    def require_fitting_data(self) -> None:
        """Refuse data that the method cannot use.

        Raises:
            ConfigError: names the setting to change.
        """
        data = self.datamodule
        self.model.require_data(data.mapping.names, data.in_channels, data.dimensions)

    def plain_config(self) -> dict[str, Any]:
        """The resolved configuration as plain values, without the settings of a single command."""
        content: dict[str, Any] = yaml.safe_load(self.parser.dump(self.config, skip_none=False))
        return {key: value for key, value in content.items() if key not in ("config", "run", "ckpt_path", "weights")}


def parse_run(settings: Settings) -> RunCLI:
    """Make the method and the data module that settings describe.

    Raises:
        ConfigError: on an unreadable file, an unknown setting or a bad value, in one line.
    """
    current = Settings(tuple(map(_in_current_form, settings.given)))
    explicit, automatic = _without_automatic_precision(current)
    try:
        return RunCLI(explicit, automatic_precision=automatic)
    except (ArgumentError, TypeError, ValueError) as error:
        raise ConfigError(explain(str(error), settings)) from error


def _without_automatic_precision(settings: Settings) -> tuple[Settings, bool]:
    """Take ``trainer.precision: auto`` out of the settings, which Lightning does not know, and find out if it holds."""
    automatic, explicit = False, []
    for setting in settings.given:
        content = _content_of(setting)
        stated = setting.value if setting.name == NAME else precision_in(content)
        automatic = automatic if stated is None else stated == AUTO
        if stated != AUTO:
            explicit.append(setting)
        elif setting.name != NAME:
            explicit.append(replace(setting, value=json.dumps(without_precision(content))))
    return Settings(tuple(explicit)), automatic


def _content_of(setting: Setting) -> dict[str, Any]:
    """The content of a configuration file, or what replaces one; empty for other settings."""
    if setting.name != CONFIG or setting.value is None:
        return {}
    if (content := setting.content()) is not None:
        return content
    return dict(yaml.safe_load(setting.value)) if "\n" in setting.value else read_config(Path(setting.value))


def _in_current_form(setting: Setting) -> Setting:
    """Convert the old form of a setting that names a network, or of the content of a file that does."""
    if setting.value is None:
        return setting
    if setting.name != CONFIG:
        name, value = with_current_name(setting.name, setting.value)
        return replace(setting, name=name, value=value)
    if (content := setting.content()) is not None:
        return replace(setting, value=json.dumps(with_current_network(content)))
    content = read_config(Path(setting.value))
    require_own_folder(content, setting.value)
    renewed = with_current_network(content)
    if renewed == content:
        return setting
    path = renewed["model"]["init_args"]["network"]["class_path"]
    message = f"{setting.value}: network.name is an old form; write class_path: {path}"
    warnings.warn(message, FutureWarning, stacklevel=3)
    return replace(setting, value=yaml.safe_dump(renewed, sort_keys=False))

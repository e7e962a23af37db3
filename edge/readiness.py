"""What must be right before a bin starts: its model, its routes, its folder, its credentials."""

from __future__ import annotations

import os
from typing import NamedTuple

from edge.bundle import Bundle
from edge.config import Config
from edge.config.setup import Setup, with_setup
from edge.decide import Policy, site_policy
from edge.disk import disk_fails, read_only
from edge.errors import ConfigError, JournalError
from edge.mqtt.credentials import read_credentials
from edge.setup.file import SetupFile
from edge.update.site import current_bundle


class InUse(NamedTuple):
    """The config that a bin uses. unfit: why what was set up is not in it; None: it is, or there is nothing."""

    config: Config
    unfit: str | None = None


def config_in_use(config: Config, bundle: Bundle) -> InUse:
    """The config file's with the setup over it. A setup that does not fit must not keep a bin from sorting.

    Raises:
        ConfigError: the config file's own routes do not fit the bundle.
    """
    file = SetupFile(config.state_dir)
    try:
        setup = file.read()
        if setup != Setup():
            used = with_setup(config, setup)
            check_config(used, bundle)
            return InUse(used)
    except ConfigError as error:
        policy_of(config, bundle)
        return InUse(config, f"{file.path} is not used: {error}")
    policy_of(config, bundle)
    return InUse(config)


def check_config(config: Config, bundle: Bundle) -> None:
    """Whether routes and credentials are such that a bin starts. Raises ConfigError."""
    policy_of(config, bundle)
    read_credentials(config.mqtt)


def check_before_start(config: Config) -> tuple[Bundle, InUse]:
    """What would end the daemon at its start, short of devices: bundle, routes, state folder, credentials.

    Raises:
        BundleError, ConfigError, JournalError
    """
    bundle = current_bundle(config)
    used = config_in_use(config, bundle)
    make_state_dir(config)
    state_dir = config.state_dir
    if state_dir.exists() and not read_only(state_dir) and not os.access(state_dir, os.R_OK | os.W_OK | os.X_OK):
        raise JournalError(f"state_dir {config.state_dir}: not writable; name a folder that this user may write")
    read_credentials(used.config.mqtt)
    return bundle, used


def policy_of(config: Config, bundle: Bundle, min_probability: float | None = None) -> Policy:
    """The site's policy; its routes must fit the bundle's labels. min_probability: instead of the config's."""
    sorting = config.sorting
    if min_probability is not None:
        sorting = sorting.model_copy(update={"min_probability": min_probability})
    try:
        return site_policy(sorting, bundle.manifest)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def make_state_dir(config: Config) -> None:
    """Create the state folder, readable by this user only.

    Where the disk fails it is not there afterwards: the journal waits in memory, and tells of it.

    Raises:
        JournalError: it cannot be created, and the disk is not to blame.
    """
    try:
        config.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        if disk_fails(error):
            return
        raise JournalError(
            f"state_dir {config.state_dir}: {error.strerror}; name a folder that this user may write"
        ) from None

"""`python -m edge`: the bin on the command line.

Exit codes: 0 done, 1 some pictures could not be read, a simulated fault went otherwise than it should, simulated bins
lost an event, or a replayed decision is another, 2 wrong command line, 3 config, 4 bundle, 5 camera, 6 broker,
7 hardware, 8 journal, 9 daemon not running, 10 recording, 75 to be started again, as was asked for.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge.dashboards.command import mqtt
from edge.errors import BrokerError, SmartbinError
from edge.scrub import scrub

app = typer.Typer(
    help="The smart bin: looks, decides, sorts, tells.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=" ".join((__doc__ or "").split("\n\n")[1].split()),
)

app.add_typer(mqtt, name="mqtt")

REPOSITORY = Path(__file__).resolve().parent.parent
SIM_CONFIG = REPOSITORY / "configs/edge/sim.yaml"
SHIPPED_BUNDLE = REPOSITORY / "models/resnet50-trashnet"

ConfigOption = Annotated[Path, typer.Option("--config", help="The bin's YAML file.")]
BundleOption = Annotated[Path, typer.Option("--bundle", help="Folder of the model bundle.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@contextmanager
def errors_to_exit_codes() -> Iterator[None]:
    """A known error becomes a message and an exit code. An unknown one is a bug: it keeps its traceback."""
    try:
        yield
    except SmartbinError as error:
        typer.echo(f"error: {scrub(str(error))}", err=True)
        raise typer.Exit(error.exit_code) from None


@app.command()
def run(
    config: ConfigOption = SIM_CONFIG,
    max_items: Annotated[int | None, typer.Option(min=1, help="Stop after so many items.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write each event to this file, a line of JSON each.")] = None,
    images: Annotated[Path | None, typer.Option(help="Simulate with this folder of photographs.")] = None,
    console: Annotated[bool, typer.Option("--console", help="Start the console too.")] = False,
) -> None:
    """Run the bin until Ctrl-C or SIGTERM; the flap is left closed and `offline` is published.

    Example: python -m edge run --config configs/edge/sim.yaml --max-items 8 --report out.jsonl
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    from edge.build import open_daemon
    from edge.clock import SystemClock
    from edge.config import load_config
    from edge.memory import give_back, keep_little
    from edge.notify import Notifier
    from edge.readiness import check_before_start
    from edge.recent_log import set_up_logging
    from edge.restart import EXIT_CODE
    from edge.terminal import Narrator, console_process, open_report

    set_up_logging()
    keep_little()
    with errors_to_exit_codes(), ExitStack() as stack:
        settings = load_config(config)
        if images is not None:
            settings = settings.with_photographs(images)
        narrator = Narrator(None if report is None else stack.enter_context(open_report(report)))
        if console:
            stack.enter_context(console_process(config, settings))
        systemd = Notifier.from_environment()
        with open_daemon(
            settings,
            SystemClock(),
            stop=stop,
            notifier=systemd,
            progress=narrator.opening,
            before_restart=lambda: check_before_start(load_config(config)),
        ) as daemon:
            give_back()
            narrator.ready(daemon.config)
            items = daemon.run(max_items=max_items, on_event=narrator.event)
            left = daemon.finish()
            faults = [fault.message for fault in daemon.faults.standing()]
        narrator.stopped(items, left)
        if daemon.restarting:
            raise typer.Exit(EXIT_CODE)
        if max_items is not None and left:
            raise BrokerError(
                f"{left} events were not taken by the broker ({'; '.join(faults) or 'it did not answer'}); "
                f"they are kept in {settings.state_dir} and sent at the next start"
            )


@app.command()
def classify(
    paths: Annotated[list[Path], typer.Argument(help="Photographs, or folders of them.", show_default=False)],
    bundle: BundleOption = SHIPPED_BUNDLE,
    as_json: JsonOption = False,
) -> None:
    """Print the top-3 of photographs. A file that cannot be read is named on stderr; the rest is done; exit code 1.

    Example: python -m edge classify --json photo.jpg folder/
    """
    from edge.photographs import classify_photographs

    with errors_to_exit_codes():
        unreadable = classify_photographs(paths, bundle, as_json=as_json)
    if unreadable:
        raise typer.Exit(1)


@app.command()
def check(
    config: ConfigOption = SIM_CONFIG,
    before_start: Annotated[
        bool,
        typer.Option(
            "--before-start",
            help="Only what would stop the bin from starting: neither the broker, without which it sorts on, nor "
            "the engine, which it holds against the golden pictures itself.",
        ),
    ] = False,
) -> None:
    """Check a config, its bundle and its broker before anything moves.

    Example: python -m edge check --config configs/edge/sim.yaml
    """
    from edge.build import open_classifier
    from edge.clock import SystemClock
    from edge.config import load_config
    from edge.config.setup import differences
    from edge.faults import Faults
    from edge.mqtt.client import probe
    from edge.readiness import InUse, check_before_start, config_in_use

    def tell_setup(used: InUse) -> None:
        if used.unfit is not None:
            typer.echo(f"warning: {used.unfit}; the config file alone holds", err=True)
        elif parts := differences(settings, used.config):
            typer.echo(f"setup   {settings.state_dir / 'setup.yaml'} goes before it: {', '.join(parts)}")

    with errors_to_exit_codes():
        settings = load_config(config)
        typer.echo(f"config  {config}: every key is known, every label is routed to a compartment with a position")
        if before_start:
            bundle, used = check_before_start(settings)
            tell_setup(used)
            typer.echo(f"bundle  {bundle.model_id.name} {bundle.model_id.version}: files intact")
            if os.access(settings.state_dir, os.W_OK):
                typer.echo(f"state   {settings.state_dir} is writable")
            else:
                typer.echo(f"warning: {settings.state_dir}: its disk takes nothing; the bin sorts on without", err=True)
            return
        faults = Faults(SystemClock())
        with open_classifier(settings, faults) as classifier:
            used = config_in_use(settings, classifier.bundle)
            tell_setup(used)
            signer = classifier.bundle.signed_by
            vouched = "unsigned, which the config accepts" if signer is None else f"signed by {signer}"
            typer.echo(f"bundle  {classifier.bundle.model_id.name}: {vouched}, files intact, golden self-test passed")
            typer.echo(f"engine  {classifier.engine_name}")
            for fault in faults.standing():
                typer.echo(f"warning: {fault.message}; {fault.remedy}", err=True)
        mqtt = used.config.mqtt
        if mqtt.embedded_broker:
            typer.echo("broker  embedded: starts with the bin")
        else:
            probe(mqtt)
            typer.echo(f"broker  {mqtt.host}:{mqtt.port}: accepts this bin")


@app.command()
def safe(config: ConfigOption = SIM_CONFIG) -> None:
    """Put the mechanism neutral and let go of its pins. For a bin whose daemon has ended, however it ended.

    Example: python -m edge safe --config configs/edge/sim.yaml
    """
    from edge.build import put_neutral
    from edge.clock import SystemClock
    from edge.config import load_config
    from edge.control import ControlClient
    from edge.errors import CommandError, ControlError

    with errors_to_exit_codes():
        settings = load_config(config)
        try:
            ControlClient(settings.control_socket).request("status")
        except CommandError:
            runs = True
        except ControlError:
            runs = False
        else:
            runs = True
        if runs:
            raise ControlError(
                f"the daemon runs ({settings.control_socket}), and the mechanism is its own; stop it first"
            )
        put_neutral(settings, SystemClock())
        typer.echo(f"{settings.actuator.type}  neutral, its pins let go")


@app.command()
def console(
    config: ConfigOption = SIM_CONFIG,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when the process that started this one is gone.")
    ] = False,
    new_password: Annotated[
        Literal["viewer", "technician"] | None,
        typer.Option(help="Make a new password for a role, show it, and end.", show_default=False),
    ] = None,
) -> None:
    """Serve the technicians' page until SIGTERM or Ctrl-C.

    The daemon need not run: the page says so, and comes to life with it. Where console.host is not loopback the page
    has a log-in; its passwords are made at the first start, and shown once.

    Example: python -m edge console --config configs/edge/sim.yaml
    """
    from edge.console.process import run as run_console

    with errors_to_exit_codes():
        run_console(config, with_parent=with_parent, new_password=new_password)


@app.command()
def ctl(
    command: Annotated[
        str,
        typer.Argument(
            help="status, requests, record, restart, maintenance-on, maintenance-off, or one of docs/commands.md."
        ),
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(help="What the command takes, as NAME=VALUE.", show_default=False)
    ] = None,
    config: ConfigOption = SIM_CONFIG,
) -> None:
    """Ask the running daemon, over its control socket.

    Example: python -m edge ctl set-threshold min_probability=0.8 --config configs/edge/sim.yaml
    """
    from edge.config import load_config
    from edge.control import ControlClient
    from edge.control.words import request_of

    with errors_to_exit_codes():
        try:
            name, fields = request_of(command, arguments or [])
        except ValueError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
        result = ControlClient(load_config(config).control_socket, timeout_s=60.0).request(name, **fields)
        typer.echo(json.dumps(result, indent=2) if result else f"{command}: done")


model = typer.Typer(help="The models of a bin: which sorts, a new one, the one before.", no_args_is_help=True)
app.add_typer(model, name="model")


@model.command("list")
def model_list(config: ConfigOption = SIM_CONFIG, as_json: JsonOption = False) -> None:
    """Show the models on this bin, and which of them sorts.

    Example: python -m edge model list --config configs/edge/sim.yaml
    """
    from edge.config import load_config
    from edge.update.command import listed

    with errors_to_exit_codes():
        rows = listed(load_config(config))
        if as_json:
            typer.echo(json.dumps(rows, indent=2))
            return
        for row in rows:
            what = row["problem"] or f"{row['name']} {row['version']}"
            typer.echo(f"{row['slot']:<7} {row['role']:<7} {what}  ({row['path']})")


@model.command("install")
def model_install(
    url: Annotated[str, typer.Argument(help="https://… or file:///… of a signed bundle, packed as .tar or .tar.gz.")],
    config: ConfigOption = SIM_CONFIG,
    force: Annotated[bool, typer.Option("--force", help="Take a version that is not newer, too.")] = False,
    shadow_items: Annotated[
        int | None, typer.Option(min=0, help="Items both models see before the switch; else as the config says.")
    ] = None,
) -> None:
    """Fetch a signed model, try it and switch to it; by the daemon where it runs.

    Example: python -m edge model install file:///media/usb/model.tar.gz
    """
    from edge.config import load_config
    from edge.payloads import UpdateArguments
    from edge.update.command import install

    with errors_to_exit_codes():
        arguments = UpdateArguments(url=url, force=force, shadow_items=shadow_items)
        typer.echo(install(load_config(config), arguments))


@model.command("compare")
def model_compare(
    old: Annotated[Literal["config", "a", "b"], typer.Argument(help="As `model list` names it.")],
    new: Annotated[Literal["config", "a", "b"], typer.Argument(help="The one that may be better.")],
    config: ConfigOption = SIM_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Compare two models on what people named, as the console's Teach tab does; by the daemon, which must run.

    Example: python -m edge model compare config a
    """
    from edge.captures.messages import CompareArguments
    from edge.config import load_config
    from edge.console.compared import table_of
    from edge.update.command import compare

    with errors_to_exit_codes():
        result = compare(
            load_config(config),
            CompareArguments(old=old, new=new),
            lambda view: typer.echo(f"{view.done} of {view.wanted} pictures looked at", err=True),
        )
        typer.echo(result.model_dump_json() if as_json else table_of(result))


@model.command("rollback")
def model_rollback(config: ConfigOption = SIM_CONFIG) -> None:
    """Go back to the model before; by the daemon where it runs.

    Example: python -m edge model rollback
    """
    from edge.config import load_config
    from edge.update.command import rollback

    with errors_to_exit_codes():
        typer.echo(rollback(load_config(config)))


@model.command("switch")
def model_switch(
    slot: Annotated[Literal["config", "a", "b"], typer.Argument(help="As `model list` names it.")],
    config: ConfigOption = SIM_CONFIG,
) -> None:
    """Sort with another model of this bin from the next start on; only while no daemon runs.

    Example: python -m edge model switch a
    """
    from edge.config import load_config
    from edge.update.command import switch

    with errors_to_exit_codes():
        typer.echo(switch(load_config(config), slot))


@app.command()
def diagnose(config: ConfigOption = SIM_CONFIG) -> None:
    """Write log, config, faults, events and versions, without secrets and pictures, into a zip in state_dir.

    Example: python -m edge diagnose --config configs/edge/sim.yaml
    """
    from edge.clock import SystemClock
    from edge.config import load_config
    from edge.control import ControlClient
    from edge.diagnose import diagnose as written
    from edge.errors import ControlError

    with errors_to_exit_codes():
        settings = load_config(config)
        try:
            path = ControlClient(settings.control_socket, timeout_s=60.0).request("diagnose")["path"]
        except ControlError as error:
            typer.echo(f"warning: without what only a running daemon knows: {scrub(str(error))}", err=True)
            path = written(settings, SystemClock().utc()).path
        typer.echo(path)


@app.command()
def replay(
    recording: Annotated[Path, typer.Argument(help="A file of the flight recorder.", show_default=False)],
    bundle: BundleOption = SHIPPED_BUNDLE,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Decide by this bin's sorting section instead of the one recorded."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Classify and decide recorded items again, and compare; exit code 1 when a decision is another.

    Example: python -m edge replay /var/lib/smartbin/recordings/recording-000000123.zip
    """
    from edge.config import load_config
    from edge.config.setup import with_setup
    from edge.replay import replay_recording
    from edge.setup.file import SetupFile

    with errors_to_exit_codes():
        sorting = None
        if config is not None:
            settings = load_config(config)
            sorting = with_setup(settings, SetupFile(settings.state_dir).read()).sorting
        same = replay_recording(recording, bundle, sorting, as_json=as_json)
    if not same:
        raise typer.Exit(1)


@app.command()
def schema(
    payload: Annotated[
        str,
        typer.Argument(
            help="classification, state, alert, telemetry, response, request/COMMAND, manifest, config or recording"
        ),
    ] = "classification",
) -> None:
    """Print the JSON Schema of what the bin publishes or reads.

    Example: python -m edge schema classification
    """
    from edge.bundle import Manifest
    from edge.config import Config
    from edge.payloads import json_schemas
    from edge.recording import RecordingRecord

    schemas = {
        **json_schemas(),
        "manifest": Manifest.model_json_schema(),
        "config": Config.model_json_schema(),
        "recording": RecordingRecord.model_json_schema(),
    }
    if payload not in schemas:
        typer.echo(f"error: no schema {payload!r}; there are {', '.join(schemas)}", err=True)
        raise typer.Exit(2)
    typer.echo(json.dumps(schemas[payload], indent=2))


@app.command()
def tune(
    config: ConfigOption = SIM_CONFIG,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each engine; more of them, less chance.")] = 8,
    as_json: JsonOption = False,
) -> None:
    """Measure every engine of this machine on the bundle's golden pictures; `engine: auto` then takes the fastest.

    Only engines that reproduce the reference logits count. Building one for a GPU can take minutes.

    Example: python -m edge tune --config configs/edge/sim.yaml
    """
    from edge.config import load_config
    from edge.tuning import tune_config

    with errors_to_exit_codes():
        tune_config(load_config(config), rounds=rounds, as_json=as_json)


@app.command()
def bench(
    config: ConfigOption = SIM_CONFIG,
    items: Annotated[int | None, typer.Option(min=1, help="Items to sort.", show_default="3, with viewers 48")] = None,
    viewers: Annotated[
        int | None, typer.Option(min=1, help="Instead: decisions with so many viewers of the console beside none.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure start-to-ready time, resident memory and stage latencies of the simulated bin.

    Example: python -m edge bench

    Example: python -m edge bench --viewers 3
    """
    from edge.bench import bench_daemon
    from edge.bench_viewers import bench_viewers

    with errors_to_exit_codes():
        if viewers is not None:
            bench_viewers(config, viewers=viewers, items=items or 48, as_json=as_json)
        else:
            bench_daemon(config, items=items or 3, as_json=as_json)


@app.command()
def simulate(
    faults: Annotated[
        list[str] | None, typer.Option(help="all, or a code of docs/faults.md; may be given several times.")
    ] = None,
    items: Annotated[
        int | None, typer.Option(min=10, help="Instead of faults: a soak of so many small items; what grows is told.")
    ] = None,
    real_engine: Annotated[
        bool, typer.Option("--real-engine", help="Soak with the bundle's engine, not with what stands in for it.")
    ] = False,
    max_growth: Annotated[float, typer.Option(min=0, help="Of memory after the warm-up of a soak, percent.")] = 1.0,
    bins: Annotated[
        str | None,
        typer.Option(help="Instead of faults: so many bins at one broker, as fast as time goes; or sizes: 50,100,250."),
    ] = None,
    rate: Annotated[float, typer.Option(help="Items a minute of each of the bins.")] = 6.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long the bins sort.")] = 60.0,
    broker: Annotated[
        str, typer.Option(help="Of the bins: mqtt://host:port, mqtts://host:port, or mosquitto: start one here.")
    ] = "mosquitto",
    restart_broker_after: Annotated[
        float | None, typer.Option(min=0, help="Restart the broker that was started here, so many seconds on.")
    ] = None,
    subscribers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that hear the events; several share a subscription.")
    ] = 1,
    broker_pid: Annotated[
        int | None, typer.Option(help="The broker's process, if it is on this machine and not found by its port.")
    ] = None,
    config: ConfigOption = SIM_CONFIG,
    report: Annotated[Path | None, typer.Option(help="Write what came of it to this JSON file.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write the curves of a soak, or of sizes, to this PNG file.")
    ] = None,
) -> None:
    """Cause faults, sort many items, or play many bins; exit code 1 if it went otherwise, or an event was lost.

    Example: python -m edge simulate --faults jam --faults camera_stale --report faults.json

    Example: python -m edge simulate --items 100000 --plot soak.png

    Example: python -m edge simulate --bins 50,100,250 --rate 6 --seconds 60 --plot scale.png
    """
    from edge.config import load_config
    from edge.simulate.command import simulate_faults, simulate_items
    from edge.simulate.fleet.command import simulate_bins
    from edge.simulate.fleet.plan import Plan, sizes

    if [bool(faults), items is not None, bins is not None].count(True) != 1:
        typer.echo("error: give one of --faults, --items and --bins", err=True)
        raise typer.Exit(2)
    with errors_to_exit_codes():
        settings = load_config(config)
        if bins is not None:
            plans = [Plan(number, rate, seconds, restart_broker_after, subscribers) for number in sizes(bins)]
            well = simulate_bins(settings, plans, broker, broker_pid, report, plot)
        elif items is None:
            well = simulate_faults(settings, faults or [], report)
        else:
            well = simulate_items(
                settings, items, real_engine=real_engine, max_growth_percent=max_growth, report=report, plot=plot
            )
    if not well:
        raise typer.Exit(1)


if __name__ == "__main__":
    app(prog_name="python -m edge")

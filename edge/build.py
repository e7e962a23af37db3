"""Puts a daemon together from a config, and takes it apart again in the reverse order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from uuid import uuid4

from edge.actuators.duty import duty_of
from edge.actuators.guard import Guard
from edge.actuators.pins import open_pin_factory
from edge.actuators.select import open_actuator
from edge.bundle import Bundle
from edge.camera.condition import ConditionModel
from edge.camera.lamp import Lamp, LampCheck
from edge.camera.light import TrayLight
from edge.camera.watch import CameraWatch
from edge.captures.capture import Other
from edge.captures.keeper import CaptureKeeper
from edge.captures.last_image import LastImage
from edge.captures.store import CaptureStore
from edge.classify import Classifier
from edge.clockwatch import ClockWatch
from edge.commands import commands_of
from edge.config import Config
from edge.control import ControlServer
from edge.control.steady import SteadyControl
from edge.daemon import Daemon, SafetyMonitor
from edge.decide import Policy
from edge.devices import open_camera, open_rangers, open_switches, shown_camera, view_file
from edge.disk import MB
from edge.domain import Camera, Chore, Clock, Engine
from edge.engine_check import EngineCheck
from edge.engines.process import WORKER
from edge.engines.supervised import FALLBACK, SupervisedEngine
from edge.faults import Faults
from edge.health import Health
from edge.journal import EventJournal, Journal, SteadyJournal
from edge.live import Live
from edge.mqtt.announcer import Announcer
from edge.mqtt.client import MqttPublisher
from edge.mqtt.discovery import discovery_messages
from edge.notify import Notifier
from edge.observers import Observers, SortedItem
from edge.payloads import TelemetryPayload
from edge.presence import PresenceModel
from edge.pulse import Pulse, standstill_s
from edge.readiness import config_in_use, make_state_dir, policy_of
from edge.recent import Recent
from edge.recording import Recorder
from edge.requests import Desk, Registry, RequestLog
from edge.requests.actions import Actions
from edge.restart import Restart
from edge.sensors.fill import FillMonitor
from edge.sensors.watch import SensorWatch
from edge.settings import Settings
from edge.sim.hardware import SimulatedHardware
from edge.sorter import Sorter
from edge.telemetry import Telemetry
from edge.tray_rest import TrayRest
from edge.trend import Trend
from edge.update.beside import Beside
from edge.update.comparison import Comparison
from edge.update.site import current_bundle, slots_of, trust_of
from edge.update.updater import Model, Updater, usable

SETUP_REMEDY = "write it again in the console's Setup tab, or delete that file and start the bin again"
SETTINGS_REMEDY = "set mode and threshold again, if they were other than the config says; look after the disk"
UNSIGNED_REMEDY = "sign it (python -m export sign) and take classify.unsigned: accept out of the config"


@contextmanager
def open_daemon(
    config: Config,
    clock: Clock,
    *,
    stop: threading.Event | None = None,
    around_camera: Callable[[Camera], Camera] = lambda camera: camera,
    hardware: SimulatedHardware | None = None,
    engine_command: Sequence[str] = WORKER,
    notifier: Notifier | None = None,
    store: Callable[..., Journal] = Journal,
    progress: Callable[[str], None] = lambda step: None,
    before_restart: Callable[[], object] = lambda: None,
) -> Iterator[Daemon]:
    """Open everything a bin needs, in the order in which it can fail without harm; nothing moves yet.

    stop: ends the daemon's `run` when set. around_camera: gives the camera to use, from the one of the config.
    hardware: what surrounds a simulated tray, for the caller to make it fail.
    engine_command: starts the engine's process. notifier: tells systemd; None tells nobody. store: opens the journal's
    database. progress: called with a line for people before each step. before_restart: raises SmartbinError for what
    would end the next start, before somebody's wish for one ends this run.
    A machine without any engine for the bundle is no error here: the bin stays up, tells it, and sorts nothing.

    Raises:
        ConfigError, BundleError, CameraError, BrokerError, HardwareError, JournalError, ControlError
    """
    notifier = notifier or Notifier()
    hardware = hardware or SimulatedHardware()

    def step(what: str) -> None:
        notifier.send(f"STATUS=opening {what}")
        progress(what)

    with ExitStack() as stack:
        faults, live = Faults(clock), Live()
        step(f"model {slots_of(config).current}")
        given = config
        bundle = usable(slots_of(given), trust_of(given), lambda bundle: config_in_use(given, bundle), faults)
        config, unfit = config_in_use(given, bundle)
        if bundle.signed_by is None:
            faults.report("model_unsigned", f"{bundle.path}: nobody vouches for this model", UNSIGNED_REMEDY)
        policy = policy_of(config, bundle)
        make_state_dir(config)
        engine = stack.enter_context(supervised_engine(config, bundle, faults, clock, engine_command))
        classifier = Classifier(bundle, engine, lambda: engine.away)

        step(f"journal {config.state_dir / 'journal.sqlite'}")
        journal = stack.enter_context(
            SteadyJournal(
                config.state_dir / "journal.sqlite",
                max_events=config.journal.max_events,
                max_in_memory=config.journal.max_in_memory,
                faults=faults,
                clock=clock,
                store=store,
            )
        )

        broker = f"mqtt://{config.mqtt.host}:{config.mqtt.port}"
        step(f"broker {broker}{' (embedded)' if config.mqtt.embedded_broker else ''}")
        if config.mqtt.embedded_broker:
            from edge.mqtt.embedded_broker import EmbeddedBroker  # for a bin with one only: its library is large

            stack.enter_context(EmbeddedBroker(config.mqtt.host, config.mqtt.port))
        compartments = sorted(config.actuator.positions)
        announcer = Announcer(
            discovery_messages(config), config.state_dir / "discovery.json", f"{config.mqtt.discovery.prefix}/status"
        )
        publisher = stack.enter_context(
            MqttPublisher(
                config.mqtt, config.bin_id, journal, faults, clock, compartments=compartments, announcer=announcer
            )
        )

        after_motion = stack.enter_context(ExitStack())  # closed when the mechanism is: a slow disk must not delay that
        numbers = ", ".join(map(str, config.actuator.pins))
        step(f"{config.actuator.type} on pins {numbers or 'of its boards'} ({config.actuator.pin_factory})")
        pins = open_pin_factory(config.actuator.pin_factory)
        stack.callback(pins.close)
        actuator = stack.enter_context(open_actuator(config.actuator, clock, pins))
        switches = open_switches(config, clock, pins, stack)
        rangers = open_rangers(config, pins, hardware, stack)
        fill = FillMonitor(config.fill, rangers, faults, clock, publisher.set_fill)
        sensors = SensorWatch(switches, faults, clock, fill.full)
        if config.actuator.pin_factory == "mock":
            hardware.attach(config, clock, pins)
        safety = SafetyMonitor(config, clock, live, switches, sensors.full)
        guard = Guard(
            actuator, clock, safety, move_timeout_s=config.actuator.move_timeout_s, duty=duty_of(config.actuator)
        )

        lamp = stack.enter_context(Lamp(config.lamp, pins)) if config.lamp else None
        step(f"camera {shown_camera(config.camera)}")
        camera = stack.enter_context(around_camera(open_camera(config, clock, pins, hardware)))
        light = TrayLight(config.presence.region)
        observers, recent = Observers(faults), Recent()
        observers.add("the last items", recent.take)
        recorder = None
        if config.recorder is not None:
            recorder = Recorder(config, config.recorder, observers, faults, clock, fill.percent)
            after_motion.enter_context(recorder)
        after_motion.enter_context(observers)  # closed before the recorder, which writes at the end what they took
        sorter = Sorter(
            config,
            camera=camera,
            watch=CameraWatch(
                ConditionModel(config.camera_condition, config.presence.region, view_file(config)),
                faults,
                light if lamp else None,
            ),
            presence=PresenceModel(config.presence),
            classifier=classifier,
            policy=policy,
            guard=guard,
            journal=journal,
            faults=faults,
            live=live,
            clock=clock,
            boot_id=uuid4(),
            beams=sensors.beams,
            observe=observers.offer,
            paused=lambda: safety.paused,
        )
        pulse = pulse_of(notifier, engine, journal, live, faults, clock)
        live.on_look = pulse.beat
        engine_check = EngineCheck(engine, live, clock, hour=config.classify.selftest_hour)
        trend = Trend()

        def tell(sample: TelemetryPayload) -> None:
            trend.add(sample)
            publisher.tell(sample)

        telemetry = Telemetry(
            tell, live, faults, clock, every_s=config.mqtt.telemetry_s, depth=journal.depth,
            engine_pid=lambda: engine.pid, state_dir=config.state_dir,
        )  # fmt: skip
        clock_watch = ClockWatch(config.clock, faults, clock)
        captures = capture_store(config)
        if config.mqtt.publish_image:
            observers.add("picture", LastImage(config.presence.region, publisher.set_image).take)
        keeper = CaptureKeeper(config, captures, observers, faults, clock, lambda: clock_watch.trusted)
        rest = TrayRest(
            live, faults, limit_s=config.presence.restless_s, idle=lambda: safety.maintenance or safety.paused
        )
        chores: list[Chore] = [clock_watch, journal, engine_check, pulse, sensors, telemetry, keeper, rest]
        if config.fill:
            chores.append(fill)
        if recorder is not None:
            chores.append(recorder)
        if lamp is not None:
            chores.append(LampCheck(config, lamp, camera, light, faults, live, clock))
        beside = Beside(config, engine_command)
        control = SteadyControl(
            config.control_socket,
            lambda: ControlServer(
                config.control_socket,
                commands_of(daemon, registry, updater, beside, comparison, restart),
                group=config.control.group,
            ),
            faults,
            clock,
        )
        chores.append(control)
        daemon = Daemon(
            config,
            clock=clock,
            sorter=sorter,
            guard=guard,
            safety=safety,
            classifier=classifier,
            journal=journal,
            publisher=publisher,
            faults=faults,
            live=live,
            observers=observers,
            recorder=recorder,
            captures=captures,
            fill=fill,
            lamp=lamp,
            recent=recent,
            trend=trend,
            stop=stop or threading.Event(),
            chores=chores,
            settings=open_settings(config, faults, unfit),
            given=given,
        )
        updater = stack.enter_context(updater_of(daemon, engine, beside.candidate, keeper.dispute))
        daemon.add_chore(updater)
        observers.add("shadow", updater.take)
        registry = registry_of(daemon, updater)
        comparison = stack.enter_context(
            Comparison(captures, beside.classifier, lambda: live.snapshot().phase, lambda: updater.busy)
        )
        restart = Restart(daemon, service=notifier.service, check=before_restart, check_free=updater.check_free)
        daemon.add_chore(restart)
        stack.enter_context(control)
        desk = stack.enter_context(Desk(registry, clock, publisher.respond))
        publisher.take_requests(desk.take)
        stack.callback(publisher.take_requests, None)
        step("engine, in a process of its own")
        engine.wait()
        pulse.ready()
        stack.callback(pulse.stopping)
        yield daemon


def supervised_engine(
    config: Config, bundle: Bundle, faults: Faults, clock: Clock, command: Sequence[str] = WORKER
) -> SupervisedEngine:
    """The engine that the config names, in a process of its own; not open yet."""
    wanted = config.classify
    return SupervisedEngine(
        bundle, faults, clock, wanted=wanted.engine, threads=wanted.threads, cache=config.engine_cache,
        timeout_s=wanted.timeout_s, open_timeout_s=wanted.open_timeout_s, command=command,
    )  # fmt: skip


def pulse_of(
    notifier: Notifier, engine: SupervisedEngine, journal: EventJournal, live: Live, faults: Faults, clock: Clock
) -> Pulse:
    """The watchdog's pulse, coupled to frames, loop, engine and outbox."""

    def status() -> str:
        standing = ", ".join(fault.code for fault in faults.standing())
        return f"{live.snapshot().phase}, {engine.name}{f'; faults: {standing}' if standing else ''}"

    limit_s = standstill_s(notifier)
    health = Health(live, faults, clock, away=lambda: engine.away, depth=journal.depth, limit_s=limit_s)
    return Pulse(notifier, health, faults, clock, status)


@contextmanager
def open_classifier(config: Config, faults: Faults) -> Iterator[Classifier]:
    """For programs that end: the bundle, and in this process the best engine that reproduces its golden logits.

    Engines that were passed over are told as a fault.

    Raises:
        BundleError: the bundle cannot be used, or (NoEngine) not with any engine of this machine.
    """
    from edge.engines.cache import EngineCache
    from edge.engines.kinds import order_of
    from edge.engines.select import first_that_works

    bundle, cache = current_bundle(config), EngineCache(config.engine_cache)
    failed: list[str] = []
    candidates = order_of(config.classify.engine, config.classify.threads, bundle, cache)
    with first_that_works(candidates, bundle, cache, lambda _, error: failed.append(str(error))) as engine:
        if failed:
            faults.report("engine_fallback", f"{'; '.join(failed)}; {engine.name} sorts instead", FALLBACK)
        yield Classifier(bundle, engine)


def open_settings(config: Config, faults: Faults, unfit: str | None) -> Settings:
    """What was set while the bin ran before. unfit: why what was set up is not used."""
    settings = Settings(config.state_dir / "settings.json")
    lost = None if settings.lost is None else f"{settings.lost}; the config holds, and the mode is auto"
    if found := [why for why in (lost, unfit) if why is not None]:
        remedy = SETTINGS_REMEDY if unfit is None else SETUP_REMEDY
        faults.report("settings_lost", "; ".join(found), remedy)
    return settings


def registry_of(daemon: Daemon, updater: Updater) -> Registry:
    """What may be asked of the daemon, over the control socket as over MQTT."""

    def policy(min_probability: float) -> Policy:
        return policy_of(daemon.config, daemon.classifier.bundle, min_probability)

    log = RequestLog(daemon.config.state_dir / "journal.sqlite", daemon.clock)
    return Registry(Actions(daemon, policy, updater).by_name(), log)


def updater_of(
    daemon: Daemon,
    engine: SupervisedEngine,
    candidate: Callable[[Bundle], AbstractContextManager[Engine]],
    dispute: Callable[[SortedItem, Other], None],
) -> Updater:
    """What brings new models. candidate: opens an engine for one beside the one that sorts.

    dispute: told each item that a model on trial would have sorted or named otherwise.
    """
    config = daemon.config
    return Updater(
        config.update,
        slots_of(config),
        trust_of(config),
        Model(
            daemon.classifier,
            engine,
            lambda bundle: policy_of(daemon.config, bundle, daemon.min_probability),
            daemon.sorter.use_policy,
        ),
        daemon.faults,
        daemon.live,
        candidate=candidate,
        publish=daemon.publisher.set_update,
        dispute=dispute,
    )


def put_neutral(config: Config, clock: Clock) -> None:
    """Put the mechanism into its safe position and let go of its pins; for a bin whose daemon does not run.

    Raises:
        HardwareError: the pins are not there, or somebody else's.
    """
    pins = open_pin_factory(config.actuator.pin_factory)
    try:
        with open_actuator(config.actuator, clock, pins) as actuator:
            actuator.neutral()
    finally:
        pins.close()


def capture_store(config: Config) -> CaptureStore:
    """The folder of captures; not opened yet."""
    return CaptureStore(
        config.state_dir / "captures",
        budget_bytes=MB * config.captures.budget_mb,
        reserve_mb=config.journal.reserve_mb,
    )

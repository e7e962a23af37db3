"""Each rule's property test fails when its rule is broken on purpose: the change is made in a copy of the code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUARD, GUARD_TEST = "edge/actuators/guard.py", "tests/edge/actuators/test_guard.py"
DECIDE, DECIDE_TEST = "edge/decide.py", "tests/edge/test_decide.py"
JOURNAL, JOURNAL_TEST = "edge/journal/store.py", "tests/edge/journal/test_store.py"
TABLES = "edge/journal/sql.py"
UNFIT_TEST = "tests/edge/test_unfit_frames.py::test_no_unfit_frame_is_ever_classified"

SORTER, DELIVERY, LOOKOUT = "edge/sorter.py", "edge/delivery.py", "edge/lookout.py"
MOTION_TEST = "tests/invariants/test_motion.py"
DESK, DESK_TEST = "edge/requests/desk.py", "tests/edge/commands/test_desk.py"
UPDATER, UPDATER_TEST = "edge/update/updater.py", "tests/edge/update/test_updater.py"
SERVO = "edge/actuators/servo.py"

BREAKS = {
    "rule 1: the guard forgets the lid": (
        GUARD,
        "if not self.lid_closed:",
        "if False:",
        f"{GUARD_TEST}::test_nothing_moves_unless_every_condition_allows_it",
    ),
    "rule 1: the guard forgets full compartments": (
        GUARD,
        "if compartment in safety.full:",
        "if False:",
        f"{GUARD_TEST}::test_nothing_moves_unless_every_condition_allows_it",
    ),
    "rule 1: the guard forgets that it is not homed": (
        GUARD,
        "if not self._homed:",
        "if False:",
        f"{GUARD_TEST}::test_nothing_moves_unless_every_condition_allows_it",
    ),
    "rule 1: the guard forgets the hand": (
        GUARD,
        "if not self.hand_clear:",
        "if False:",
        f"{GUARD_TEST}::test_nothing_moves_unless_every_condition_allows_it",
    ),
    "rule 1: the guard forgets how often it has moved": (
        GUARD,
        "reasons += self._duty.refusals(compartment, self._clock.monotonic_s())",
        "pass",
        f"{GUARD_TEST}::test_no_minute_holds_more_movements_or_more_current_than_the_duty_limit",
    ),
    "rule 1: a coil never cools": (
        "edge/actuators/duty.py",
        "if used_s >= self._coil_s[compartment]:",
        "if False:",
        f"{GUARD_TEST}::test_no_minute_holds_more_movements_or_more_current_than_the_duty_limit",
    ),
    "rule 1: a servo is sent past its limits": (
        "edge/actuators/servo.py",
        "if not low_deg <= angle_deg <= high_deg:",
        "if False:",
        "tests/edge/actuators/test_servo.py::test_a_servo_is_never_sent_past_its_limits",
    ),
    "rule 1: the trapdoor opens over whatever is there": (
        "edge/actuators/carousel.py",
        "if self._motor.at_steps != target_steps:",
        "if False:",
        "tests/edge/actuators/test_carousel.py",
    ),
    "rule 2: lost steps go unnoticed": (
        "edge/actuators/stepper.py",
        "if (inside and not closed) or (outside and closed):",
        "if False:",
        "tests/edge/actuators/test_carousel.py::test_lost_steps_are_noticed_with_the_item_that_fell_wrongly",
    ),
    "rule 2: neutral only when all went well": (
        GUARD,
        "        finally:\n            self._actuator.neutral()",
        "        else:\n            self._actuator.neutral()",
        f"{GUARD_TEST}::test_every_movement_ends_in_neutral_and_in_its_time",
    ),
    "rule 2: no time limit": (
        GUARD,
        "if self._clock.monotonic_s() > deadline_s:",
        "if False:",
        f"{GUARD_TEST}::test_every_movement_ends_in_neutral_and_in_its_time",
    ),
    "rule 2: a stall does not latch": (
        GUARD,
        "self._latched = self._latched or str(error) or type(error).__name__",
        "pass",
        f"{GUARD_TEST}::test_after_a_stall_both_homing_and_a_person_are_needed",
    ),
    "rule 1: a lid that opens during a movement does not end it": (
        GUARD,
        "            if forbidden:\n                raise MotionInterrupted(",
        "            if False:\n                raise MotionInterrupted(",
        MOTION_TEST,
    ),
    "rule 1: homing asks nobody": (
        GUARD,
        "            if forbidden:\n                raise MotionRefused(",
        "            if False:\n                raise MotionRefused(",
        MOTION_TEST,
    ),
    "rule 1: the guard forgets motion in the tray": (
        GUARD,
        "if not self.tray_still and not moving:",
        "if False:",
        MOTION_TEST,
    ),
    "rule 1: the guard forgets maintenance": (GUARD, "if self.maintenance:", "if False:", MOTION_TEST),
    "rule 1: the guard forgets e-stop": (
        GUARD,
        "if not self.estop_released:\n            reasons",
        "if False:\n            reasons",
        MOTION_TEST,
    ),
    "rule 2: a person need not look": (
        GUARD,
        "if self._latched:\n",
        "if False:\n",
        f"{GUARD_TEST}::test_after_a_stall_both_homing_and_a_person_are_needed",
    ),
    "rule 2: a movement that went wrong keeps its home": (
        GUARD,
        "        except BaseException as error:\n            self._homed = False",
        "        except BaseException as error:",
        f"{GUARD_TEST}::test_every_movement_ends_in_neutral_and_in_its_time",
    ),
    "rule 2: the servos are not let go": (
        SERVO,
        "            self._pulses.detach()\n",
        "            pass\n",
        MOTION_TEST,
    ),
    "rule 3: the flap opened, so the item is gone": (DELIVERY, "if self._tray_empties():", "if True:", MOTION_TEST),
    "rule 3: what left the tray has arrived, whatever the beam says": (
        DELIVERY,
        "while beam is not None and not beam.active_since(started_s):",
        "while False:",
        MOTION_TEST,
    ),
    "rule 3: an item that was lost stops nothing": (
        DELIVERY,
        '                self._guard.confirmation_missed(what)\n                self._faults.report("lost_item"',
        '                self._faults.report("lost_item"',
        MOTION_TEST,
    ),
    "rule 3: a jam waits for nobody": (
        DELIVERY,
        '        self._guard.confirmation_missed(what)\n        self._faults.report("jam"',
        '        self._faults.report("jam"',
        MOTION_TEST,
    ),
    "rule 4: the dearest compartment": (
        DECIDE,
        "cheapest = min(",
        "cheapest = max(",
        f"{DECIDE_TEST}::test_no_compartment_is_cheaper_than_the_one_chosen",
    ),
    "rule 4: novelty ignored": (
        DECIDE,
        "if not prediction.novelty <= policy.novelty_threshold:",
        "if False:",
        f"{DECIDE_TEST}::test_a_novel_item_goes_to_residual_whatever_it_costs",
    ),
    "rule 4: doubt ignored": (
        DECIDE,
        "if belonging(prediction, policy, policy.routes[label]) < policy.acceptance[label]:",
        "if False:",
        f"{DECIDE_TEST}::test_an_unsure_item_goes_to_residual_whatever_it_costs",
    ),
    "rule 5: the flap moves before the item is journalled": (
        SORTER,
        "        self._journal.record(event)  # before anything moves: a power cut from here on loses nothing\n",
        "",
        MOTION_TEST,
    ),
    "rule 7: an unfit frame is looked at": (
        LOOKOUT,
        "nothing is known from it\n            raise\n",
        "nothing is known from it\n",
        MOTION_TEST,
    ),
    "rule 5: an interrupted event is forgotten": (
        JOURNAL,
        'WHERE finished IS NULL AND seq < ? ORDER BY seq"',
        'WHERE finished IS NULL AND seq < ? AND 0"',
        JOURNAL_TEST,
    ),
    "rule 5: an event counts as delivered before the broker said so": (
        TABLES,
        "acknowledged INTEGER NOT NULL DEFAULT 0",
        "acknowledged INTEGER NOT NULL DEFAULT 1",
        JOURNAL_TEST,
    ),
    "rule 5: what the broker took is forgotten when the disk fails": (
        "edge/journal/steady.py",
        "                with self._disk.commit():\n",
        "                self._acked.clear()\n                with self._disk.commit():\n",
        "tests/edge/journal/test_steady.py",
    ),
    "rule 7: an old frame is taken": (
        "edge/camera/slot.py",
        "if frame is not None and self._clock.monotonic_s() - frame.captured_s <= max_age_s:",
        "if frame is not None:",
        "tests/edge/camera/test_slot.py::test_a_frame_older_than_asked_for_is_never_given",
    ),
    "rule 7: an unfit frame is taken": (
        "edge/camera/watch.py",
        "if verdict.unfit:",
        "if False:",
        UNFIT_TEST,
    ),
    "rule 7: looks from before a bad spell are used after it": (
        SORTER,
        "self._looks.clear()  # what lies",
        "pass  # what lies",
        "tests/edge/test_unfit_frames.py::test_a_good_frame_is_classified_after_every_kind_of_bad_one",
    ),
    "rule 7: the tray is not looked at again after the network's answer": (
        SORTER,
        'if self._phase(self._lookout.observe(self._lookout.read()[0])) != "sorting":',
        "if False:",
        MOTION_TEST,
    ),
    "rule 8: a retained request is done": (
        DESK,
        "if incoming.retained:\n                raise",
        "if False:\n                raise",
        f"{DESK_TEST}::test_a_retained_request_is_refused_and_its_clearing_is_no_request",
    ),
    "rule 8: an expired request is done": (
        DESK,
        "if age_s > request.ttl_s:",
        "if False:",
        f"{DESK_TEST}::test_an_expired_request_is_refused_with_both_clocks",
    ),
    "rule 8: a repeated request is done again": (
        DESK,
        "if known is None:\n            return False",
        "return False",
        f"{DESK_TEST}::test_the_same_id_again_gets_the_same_answer_and_nothing_is_done",
    ),
    "rule 8: what moves is taken from a broker open to all": (
        "edge/requests/registry.py",
        "if COMMANDS[cmd].trusted and not caller.trusted:",
        "if False:",
        f"{DESK_TEST}::test_what_moves_needs_a_broker_that_the_bin_logs_in_to",
    ),
    "rule 8: jog without being armed": (
        "edge/requests/actions.py",
        "if daemon.arming.left_s() == 0:",
        "if False:",
        "tests/edge/commands/test_actions.py::test_jog_moves_only_a_bin_that_is_paused_and_armed",
    ),
    "updates: an old bundle is taken again": (
        UPDATER,
        "if not asked.force and _numbers(new.version) <= _numbers(old.version):",
        "if False:",
        f"{UPDATER_TEST}::test_an_old_bundle_is_not_taken_again_unless_that_is_really_wanted",
    ),
    "updates: a disagreement does not matter": (
        "edge/update/shadow.py",
        "if self.elsewhere > max_disagreement * self.seen:",
        "if False:",
        f"{UPDATER_TEST}::test_a_model_is_switched_to_only_when_it_agrees_in_shadow",
    ),
    "updates: the old slot is pointed away from too early": (
        UPDATER,
        'self._step("keep", 60, bundle)',
        "self._slots.point_at(self._slots.free)",
        f"{UPDATER_TEST}::test_a_bin_that_is_killed_at_any_step_has_one_whole_model_and_goes_on",
    ),
    "rule 7: a garbled picture is not noticed": (
        "edge/camera/condition.py",
        "Condition.GARBLED: self._garbled,",
        "Condition.GARBLED: False,",
        "tests/edge/test_unfit_frames.py::test_no_unfit_frame_is_classified_however_long_they_last",
    ),
    "rule 7: a frozen picture is not noticed": (
        "edge/camera/condition.py",
        "Condition.FROZEN: identical,",
        "Condition.FROZEN: False,",
        "tests/edge/test_unfit_frames.py::test_no_unfit_frame_is_classified_however_long_they_last",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_noticed(name: str, tmp_path: Path) -> None:
    file, old, new, test = BREAKS[name]
    shutil.copytree(ROOT / "edge", tmp_path / "edge", ignore=shutil.ignore_patterns("footage", "__pycache__"))
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "configs/edge", tmp_path / "configs/edge")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    source = (tmp_path / file).read_text()
    assert source.count(old) == 1, f"{file} no longer says {old!r} once; break it elsewhere"
    (tmp_path / file).write_text(source.replace(old, new))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "SMARTBIN_NO_SKIP": "", "HYPOTHESIS_PROFILE": "bite"},
    )
    assert done.returncode == 1, f"broken on purpose, and nobody noticed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}"
    assert " failed" in done.stdout

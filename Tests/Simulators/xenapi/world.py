"""What the simulator holds: objects, their rules, events and tasks."""
import copy
import os
import pickle
import re
import threading
import time
import uuid

from records import ALLOWED_STATES, CLASSES, FIELDS_OF_MAPS, NULL, SETTABLE


class Failure(Exception):
    """A XenAPI error: a code and its parameters."""

    def __init__(self, *details):
        self.details = [str(part) for part in details]
        super().__init__(self.details)


class Cancelled(Exception):
    """The task was cancelled while it worked."""


def now():
    return time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime())


class World:
    """Objects by class and reference, with the events of their changes."""

    EVENTS_KEPT = 4000

    def __init__(self, directory):
        self.directory = directory
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.db = {name: {} for name in CLASSES}
        self.generation = 0
        self.log = []  # (generation, class, ref, operation)
        self.lost_before = 0
        self.sessions = {}
        self.targets = {}  # (portal, name) -> {"luns": {lun: bytes}, "user":, "password":}
        self.settings = {
            "task_seconds": 0.0, "shutdown_seconds": 0.02, "migrate_seconds": 0.1, "ignores_shutdown": [],
            "refuses_unplug": [], "dead_hosts": [],
        }
        self.delays = {}
        self.faults = {}
        self.calls = {}
        self.tasks_cancelled = set()
        os.makedirs(os.path.join(directory, "vdi"), exist_ok=True)

    # -- keeping

    def path(self, vdi):
        return os.path.join(self.directory, "vdi", self.db["VDI"][vdi]["uuid"])

    def save(self):
        kept = {name: records for name, records in self.db.items() if name not in ("session", "task")}
        temporary = os.path.join(self.directory, "world.new")
        with open(temporary, "wb") as file:
            pickle.dump((kept, self.targets), file)
        os.replace(temporary, os.path.join(self.directory, "world"))

    def load(self):
        try:
            with open(os.path.join(self.directory, "world"), "rb") as file:
                kept, self.targets = pickle.load(file)
        except FileNotFoundError:
            return False
        self.db.update(kept)
        for vm in self.db["VM"].values():
            vm["current_operations"] = {}
        return True

    # -- objects

    def add(self, kind, values=None, ref=None, identifier=None):
        record = copy.deepcopy(CLASSES[kind])
        for name, value in (values or {}).items():
            if name in record:
                record[name] = self.typed(kind, name, value)
        record["uuid"] = identifier or str(uuid.uuid4())
        ref = ref or "OpaqueRef:" + str(uuid.uuid4())
        self.db[kind][ref] = record
        self.note(kind, ref, "add")
        return ref

    def typed(self, kind, name, value):
        default = CLASSES[kind][name]
        try:
            if isinstance(default, bool):
                return value in (True, "true", "1", 1)
            if isinstance(default, float):
                return float(value)
            if isinstance(default, int):
                return int(value)
        except (TypeError, ValueError):
            raise Failure("FIELD_TYPE_ERROR", name)
        if isinstance(default, str) and not isinstance(value, str):
            raise Failure("FIELD_TYPE_ERROR", name)
        if isinstance(default, dict):
            if not isinstance(value, dict):
                raise Failure("FIELD_TYPE_ERROR", name)
            return {str(key): part if isinstance(part, str) else str(part) for key, part in value.items()}
        return copy.deepcopy(value)

    def get(self, kind, ref):
        record = self.db[kind].get(ref)
        if record is None:
            raise Failure("HANDLE_INVALID", kind, ref)
        return record

    def remove(self, kind, ref):
        self.get(kind, ref)
        del self.db[kind][ref]
        self.note(kind, ref, "del")

    def set(self, kind, ref, **values):
        self.get(kind, ref).update(values)
        self.note(kind, ref, "mod")

    def find(self, kind, **wanted):
        return [
            ref for ref, record in self.db[kind].items()
            if all(record[name] == value for name, value in wanted.items())
        ]

    # -- events

    def note(self, kind, ref, operation):
        self.generation += 1
        self.log.append((self.generation, kind, ref, operation))
        if len(self.log) > self.EVENTS_KEPT:
            self.lost_before = self.log[-self.EVENTS_KEPT][0]
            del self.log[:-self.EVENTS_KEPT]
        self.changed.notify_all()

    def lose_events(self):
        self.note("pool", next(iter(self.db["pool"])), "mod")
        self.lost_before = self.generation
        self.log = []

    def events_from(self, session, classes, token, timeout):
        deadline = time.monotonic() + min(timeout, 60)
        wanted = {name.lower() for name in classes}
        everything = "*" in wanted
        if token in ("",):
            seen = -1
        else:
            try:
                seen = int(token.split(",")[0])
            except ValueError:
                raise Failure("EVENT_FROM_TOKEN_PARSE_FAILURE", token)
        with self.lock:
            if seen < 0:
                found = [
                    (self.generation, kind, ref, "add") for kind, records in self.db.items() for ref in records
                    if kind != "session" and (everything or kind.lower() in wanted)
                ]
                return self.events_answer(found)
            if seen < self.lost_before or seen > self.generation:
                raise Failure("EVENTS_LOST")
            while True:
                if session not in self.sessions:
                    raise Failure("SESSION_INVALID", session)
                if seen < self.lost_before:
                    raise Failure("EVENTS_LOST")
                newest = {}
                for generation, kind, ref, operation in self.log:
                    if generation <= seen or not (everything or kind.lower() in wanted):
                        continue
                    first = newest.pop((kind, ref), None)
                    if operation == "mod" and first and first[3] == "add":
                        operation = "add"
                    newest[(kind, ref)] = (generation, kind, ref, operation)
                found = [event for event in newest.values() if event[3] == "del" or event[2] in self.db[event[1]]]
                rest = deadline - time.monotonic()
                if found or rest <= 0:
                    return self.events_answer(found)
                self.changed.wait(min(rest, 0.5))

    def events_answer(self, found):
        events = []
        for generation, kind, ref, operation in found:
            event = {
                "id": str(generation), "timestamp": "%.1f" % time.time(), "class": kind.lower(),
                "operation": operation, "ref": ref,
            }
            if operation != "del":
                event["snapshot"] = self.wire(kind, self.db[kind][ref])
            events.append(event)
        counts = {kind.lower(): len(records) for kind, records in self.db.items()}
        return {"events": events, "token": "%d,%d" % (self.generation, self.generation), "valid_ref_counts": counts}

    # -- tasks

    def new_task(self, label, description=""):
        return self.add("task", {"name_label": label, "name_description": description, "created": now()})

    def finish_task(self, task, status, result="", error=()):
        with self.lock:
            if task in self.db["task"]:
                self.set(
                    "task", task, status=status, result=result, error_info=list(error), finished=now(),
                    progress=1.0, allowed_operations=[])

    def work(self, task, seconds, steps=5):
        """Takes time, tells the progress, and ends early when the task is cancelled."""
        end = time.monotonic() + seconds
        for step in range(1, steps + 1):
            while time.monotonic() < end - seconds * (steps - step) / steps:
                if task in self.tasks_cancelled:
                    raise Cancelled()
                time.sleep(min(0.02, max(0.001, seconds / steps)))
            if task:
                with self.lock:
                    if task in self.db["task"] and seconds > 0:
                        self.set("task", task, progress=step / (steps + 1))
        if task in self.tasks_cancelled:
            raise Cancelled()

    # -- the generic part of the interface

    def wire(self, kind, record):
        """A record as callers see it: whole numbers as texts, derived fields filled in."""
        answer = {}
        for name, value in record.items():
            answer[name] = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if kind == "VM":
            answer["allowed_operations"] = self.allowed_operations(record)
        return copy.deepcopy(answer)

    def allowed_operations(self, vm):
        if vm["current_operations"] or vm["is_a_template"] or vm["is_control_domain"]:
            return []
        return sorted(name for name, states in ALLOWED_STATES.items() if vm["power_state"] in states)

    def generic(self, kind, verb, args):
        """get_*, set_*, add_to_*, remove_from_* and the finders of every class."""
        records = self.db[kind]
        if verb == "get_all":
            return list(records)
        if verb == "get_all_records":
            return {ref: self.wire(kind, record) for ref, record in records.items()}
        if verb in ("get_all_records_where", "get_all_where"):
            test = expression(args[0])
            found = {ref: self.wire(kind, record) for ref, record in records.items() if test(record)}
            return found if verb == "get_all_records_where" else list(found)
        if verb == "get_by_uuid":
            found = self.find(kind, uuid=args[0])
            if not found:
                raise Failure("UUID_INVALID", kind, args[0])
            return found[0]
        if verb == "get_by_name_label":
            return self.find(kind, name_label=args[0])
        record = self.get(kind, args[0])
        if verb == "get_record":
            return self.wire(kind, record)
        if verb == "get_allowed_operations" and kind == "VM":
            return self.allowed_operations(record)
        if verb.startswith("get_") and verb[4:] in record:
            return self.wire(kind, record)[verb[4:]]
        if verb.startswith("set_") and verb[4:] in SETTABLE.get(kind, ()):
            name = verb[4:]
            self.set(kind, args[0], **{name: self.typed(kind, name, args[1])})
            return ""
        if verb.startswith("add_to_") and verb[7:] in FIELDS_OF_MAPS[kind] & SETTABLE.get(kind, set()):
            field = record[verb[7:]]
            if args[1] in field:
                raise Failure("MAP_DUPLICATE_KEY", kind, verb[7:], args[0], args[1])
            field[args[1]] = args[2]
            self.note(kind, args[0], "mod")
            return ""
        if verb.startswith("remove_from_") and verb[12:] in FIELDS_OF_MAPS[kind] & SETTABLE.get(kind, set()):
            record[verb[12:]].pop(args[1], None)
            self.note(kind, args[0], "mod")
            return ""
        raise Failure("MESSAGE_METHOD_UNKNOWN", "%s.%s" % (kind, verb))

    def dump(self):
        """Everything that a caller can leave behind, for comparisons before and after."""
        with self.lock:
            lines = []
            for kind in ("VM", "VDI", "VBD", "VIF", "SR", "PBD", "network", "console"):
                for record in self.db[kind].values():
                    lines.append("%s %s %s" % (kind, record["uuid"], record.get("name_label", "")))
            for name in sorted(os.listdir(os.path.join(self.directory, "vdi"))):
                lines.append("file %s" % name)
            return sorted(lines)

    def lasting(self):
        """What a caller can leave behind and what stays while a machine is only stopped and started, a line each with
        the name of the machine where there is one. Cached images, which drivers may keep, are left out."""
        with self.lock:
            lines, held = [], {}
            for ref, record in self.db["VM"].items():
                kind = "snapshot" if record["is_a_snapshot"] else "VM"
                lines.append("%s %s %s" % (kind, record["uuid"], record["name_label"]))
                for vif in record["VIFs"]:
                    lines.append("VIF %s %s" % (record["name_label"], self.db["VIF"][vif]["MAC"]))
                for vbd in record["VBDs"]:
                    disk = self.db["VBD"][vbd]
                    lines.append("VBD %s %s" % (record["name_label"], disk["userdevice"]))
                    held[disk["VDI"]] = record["name_label"]
            for ref, record in self.db["VDI"].items():
                if not record["name_label"].startswith("kilonova image ") or ref in held:
                    lines.append("VDI %s %s %s" % (record["uuid"], record["name_label"], held.get(ref, "")))
            for kind in ("SR", "network", "PBD"):
                lines += ["%s %s" % (kind, record["uuid"]) for record in self.db[kind].values()]
            known = {record["uuid"] for record in self.db["VDI"].values()}
            lines += ["file %s" % name for name in os.listdir(os.path.join(self.directory, "vdi")) if name not in known]
            return sorted(lines)


def expression(text):
    """The tests that callers of get_all_records_where write: `field "a" = "b" and …`."""
    text = text.strip()
    if text == "true":
        return lambda record: True
    tests = []
    for part in re.split(r"\s+and\s+", text):
        found = re.fullmatch(r'\(*\s*(not\s*\(*)?\s*field\s+"([^"]+)"\s*=\s*"([^"]*)"\s*\)*', part.strip())
        if not found:
            raise Failure("INTERNAL_ERROR", "cannot parse expression: " + text)
        tests.append((bool(found.group(1)), found.group(2), found.group(3)))

    def holds(record):
        for negated, name, wanted in tests:
            value = record.get(name.replace("__", "_"), record.get(name))
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            if (shown == wanted) == negated:
                return False
        return True

    return holds

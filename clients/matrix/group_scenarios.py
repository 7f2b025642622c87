"""What every client must be able to do in a consumer group. `plan` gives what one client is asked to do."""

import time

import group_judge as judge
import offsets
import wire
from members import LOOK_SECONDS, Member, milliseconds
from scenarios import check

PARTITIONS = 6
RECORDS = 300
HEADERS = "origin=groups"
NOTE = "größe"

# Kafka's defaults, but for the times: those of the consumer protocol are set on the broker, not by its members.
SESSION_MS = 30_000
SHORT_SESSION_MS = 6_000
CONSUMER_SESSION_MS = 15_000
POLL_MAX_MS = 60_000
SHORT_POLL_MAX_MS = 7_000
BROKER_SETTINGS = (
    f"group.consumer.session.timeout.ms={CONSUMER_SESSION_MS}", "group.consumer.min.session.timeout.ms=5000",
    "group.consumer.heartbeat.interval.ms=500", "group.consumer.min.heartbeat.interval.ms=500",
)
# A member that leaves by close must be replaced long before its session would end.
LEAVE_MS_MAX = 8_000
# Members learn of a rebalance by a heartbeat, at most 3 s apart; the rest is for a busy machine.
NOTICE_MS = 12_000
WAIT_SECONDS_MAX = 75
WAKEUP_SECONDS_MAX = 3
QUIET_SECONDS = 1.5

# How clients name the same error.
NO_OFFSET = ("NoOffsetForPartition", "_AUTO_OFFSET_RESET", "AutoOffsetReset", "no prior committed offset",
             "no previously committed offset")
FENCED = (
    "FencedInstanceId", "FENCED_INSTANCE_ID", "_FATAL", "rejected this static consumer", "UnreleasedInstanceId",
    "UNRELEASED_INSTANCE_ID", "static consumer fenced",
)


class Groups:
    """One client and one group protocol against one broker."""

    def __init__(self, driver, new_driver, address, prefix, protocol, assignors):
        self.driver, self.new_driver = driver, new_driver
        self.address, self.prefix, self.protocol, self.assignors = address, prefix, protocol, assignors

    def scene(self, name, partitions=PARTITIONS):
        return Scene(self, f"{self.prefix}-{self.protocol}-{name}", partitions)

    def settings(self, **changes):
        spread, sticky = self.assignors
        usual = {
            "protocol": self.protocol, "assignor": spread, "reset": "earliest", "commit": "sync", "instance": "-",
            "session_ms": SESSION_MS, "poll_ms": 200, "poll_max_ms": POLL_MAX_MS,
        }
        if changes.get("assignor") == "sticky":
            changes["assignor"] = sticky
        return {**usual, **changes}


class Scene:
    """One topic, one group, and its members."""

    def __init__(self, groups, name, partitions):
        self.groups, self.driver = groups, groups.driver
        self.topic, self.group, self.partitions = f"{name}-t", f"{name}-g", partitions
        self.members, self.produced = [], {}
        self.driver.create(self.topic, partitions)
        # A broker may answer the creation before it serves the partitions.
        for partition in range(partitions):
            wire.stored_batches(groups.address, self.topic, partition)

    def grow(self, partitions):
        self.driver.ask(f"grow {self.topic} {partitions}")
        for partition in range(self.partitions, partitions):
            wire.stored_batches(self.groups.address, self.topic, partition)
        self.partitions = partitions

    def join(self, name, driver=None, **changes):
        # Names are unique in a driver, which all scenes of a client share.
        member = Member(driver or self.driver, f"{self.group}-{name}")
        member.join(self.group, self.topic, self.groups.settings(**changes))
        self.members.append(member)
        return member

    def produce(self, count=RECORDS):
        start = len(self.produced)
        records = [(f"{self.group}-{number}", f"value-{number}") for number in range(start, start + count)]
        # With idempotence: sarama breaks its own connection at times, and would store a batch again otherwise.
        for (key, _), place in zip(records, self.driver.produce(self.topic, "none", True, HEADERS, records)):
            check(isinstance(place, tuple), f"{key} was refused: {place}")
            self.produced[key] = place

    def histories(self):
        return [member.look() for member in self.members]

    def wait(self, what, condition, seconds=WAIT_SECONDS_MAX):
        """Looks at all members until the condition holds."""
        deadline = time.monotonic() + seconds
        while True:
            histories = self.histories()
            if condition():
                return histories
            check(time.monotonic() < deadline, f"after {seconds} s not {what}: {describe(histories)}")
            time.sleep(LOOK_SECONDS)

    def wait_shares(self, *sizes):
        """Until the open members hold all partitions, so many each."""
        def shared():
            held = [member.history.owned() for member in self.members if not member.closed]
            return sorted(map(len, held)) == sorted(sizes) and len(set().union(*held)) == self.partitions
        self.wait(f"shared as {sizes}", shared)

    def wait_read(self):
        def read():
            return {event.text for member in self.members for event in member.history.records()} >= set(self.produced)
        self.wait(f"{len(self.produced)} records read", read)

    def committed(self):
        return offsets.committed(self.groups.address, self.group, self.topic, range(self.partitions))

    def ends(self):
        """Partition -> offset behind the last record that was read: what was committed must be just that."""
        ends = {}
        for event in (event for member in self.members for event in member.history.records()):
            ends[event.partition] = max(ends.get(event.partition, 0), event.offset + 1)
        return ends

    def wait_committed(self):
        self.wait("committed to the end", lambda: self.committed() == {p: None for p in range(self.partitions)} | self.ends())

    def close(self):
        for member in self.members:
            if not member.closed:
                member.close()

    def finish(self, repeats=False):
        self.close()
        judge.check_group([member.history for member in self.members], self.produced, repeats)


def describe(histories):
    return "; ".join(f"{h.name} holds {sorted(h.owned())}, read {len(h.records())}, errors {h.errors()}" for h in histories)


def scale(groups):
    """One member, two, three, and one again: every record once, shares even, nobody waits for a session's end."""
    scene = groups.scene("scale")
    first = scene.join("a")
    scene.produce()
    scene.wait_read()
    second = scene.join("b")
    scene.wait_shares(3, 3)
    scene.produce()
    scene.wait_read()
    third = scene.join("c")
    scene.wait_shares(2, 2, 2)
    scene.produce()
    scene.wait_read()
    scene.wait_committed()
    goes, since = second.history.owned() | third.history.owned(), milliseconds()
    second.close()
    third.close()
    scene.wait_shares(6)
    judge.check_took_over(first.history, goes, since, 0, NOTICE_MS)
    scene.produce()
    scene.wait_read()
    scene.finish()
    judge.check_committed(scene.committed(), scene.ends())


def topic_grows(groups):
    """The members take over what partitions the topic gets, by themselves, and read them from their first record."""
    scene = groups.scene("grow", partitions=2)
    scene.join("a")
    scene.join("b")
    scene.wait_shares(1, 1)
    scene.produce()
    scene.wait_read()
    scene.grow(PARTITIONS)
    # Before any member can know of them.
    scene.produce()
    used = {partition for partition, _ in scene.produced.values()}
    check(used in (set(range(PARTITIONS)), {None}), f"records went to {sorted(used)}")
    scene.wait_shares(3, 3)
    scene.wait_read()
    scene.wait_committed()
    scene.finish()
    judge.check_committed(scene.committed(), scene.ends())


def static(groups):
    """A static member that returns has its partitions again, and the others notice nothing."""
    scene = groups.scene("static")
    stays, returns = scene.join("a", instance="one"), scene.join("b", instance="two")
    scene.wait_shares(3, 3)
    scene.produce()
    scene.wait_read()
    scene.wait_committed()
    before, since = set(returns.history.owned()), milliseconds()
    returns.close()
    again = scene.join("c", instance="two")
    scene.wait("back", lambda: again.history.owned() == before)
    scene.produce()
    scene.wait_read()
    judge.check_undisturbed(stays.history, since)
    scene.finish()


def fenced(groups):
    """Of two members with one instance id exactly one stays: the newer in a classic group, the older in a new one."""
    scene = groups.scene("fenced")
    older = scene.join("a", instance="same")
    scene.wait_shares(6)
    scene.produce()
    scene.wait_read()
    scene.wait_committed()
    newer = scene.join("b", instance="same")
    loser, winner = (older, newer) if groups.protocol == "classic" else (newer, older)
    scene.wait("refused", lambda: loser.history.errors())
    judge.check_error(loser.history, FENCED)
    scene.wait("one holds all", lambda: len(winner.history.owned()) == PARTITIONS)
    count = len(loser.history.records())
    scene.produce()
    scene.wait_read()
    check(len(loser.history.records()) == count, "the fenced member read on")
    scene.close()
    judge.check_delivered([older.history, newer.history], scene.produced, False)


def cooperative(groups):
    """A rebalance takes only what moves: what a member keeps it is never told to give up."""
    scene = groups.scene("cooperative")
    first = scene.join("a", assignor="sticky")
    scene.produce()
    scene.wait_read()
    since = milliseconds()
    second = scene.join("b", assignor="sticky")
    scene.wait_shares(3, 3)
    judge.check_kept(first.history, since)
    scene.produce()
    scene.wait_read()
    since = milliseconds()
    third = scene.join("c", assignor="sticky")
    scene.wait_shares(2, 2, 2)
    judge.check_kept(first.history, since)
    judge.check_kept(second.history, since)
    since = milliseconds()
    third.close()
    scene.wait_shares(3, 3)
    judge.check_kept(first.history, since)
    scene.produce()
    scene.wait_read()
    scene.finish()


def killed(groups):
    """The partitions of a killed member go to the other when its session is over, and not before."""
    scene = groups.scene("killed")
    session = CONSUMER_SESSION_MS if groups.protocol == "consumer" else SHORT_SESSION_MS
    stays = scene.join("a", session_ms=session)
    victim_driver = groups.new_driver()
    try:
        victim = scene.join("victim", victim_driver, session_ms=session)
        scene.wait_shares(3, 3)
        scene.produce()
        scene.wait_read()
        scene.wait_committed()
        taken = set(victim.history.owned())
        # What a victim read just before its end nobody could tell.
        victim.tell("pause", *taken)
        scene.produce()
        victim.look()
        victim_driver.kill()
        victim.closed, victim.history.gone_at = True, milliseconds()
    finally:
        victim_driver.kill()
    scene.wait_shares(6)
    # The last heartbeat was up to one interval before the kill.
    judge.check_took_over(stays.history, taken, victim.history.gone_at, session // 3, session + NOTICE_MS)
    scene.wait_read()
    scene.finish()


def stalled(groups):
    """A member that does not poll for max.poll.interval.ms loses its partitions, and is back when it polls again."""
    scene = groups.scene("stalled")
    session = SHORT_SESSION_MS
    stays = scene.join("a", session_ms=session, poll_max_ms=SHORT_POLL_MAX_MS)
    stalls = scene.join("b", session_ms=session, poll_max_ms=SHORT_POLL_MAX_MS)
    scene.wait_shares(3, 3)
    scene.produce()
    scene.wait_read()
    scene.wait_committed()
    taken = set(stalls.history.owned())
    since = stalls.history.gone_at = milliseconds()
    stalls.tell("stall", SHORT_POLL_MAX_MS + session)
    scene.produce()
    scene.wait("taken over", lambda: len(stays.history.owned()) == PARTITIONS)
    judge.check_took_over(stays.history, taken, since, SHORT_POLL_MAX_MS // 2, SHORT_POLL_MAX_MS + session + NOTICE_MS)
    scene.wait_shares(3, 3)
    stalls.look()
    went = [e.kind for e in stalls.history.events if e.time > since + SHORT_POLL_MAX_MS // 2 and e.kind in ("revoked", "lost")]
    check(went, "the listener of the stalled member was not told that its partitions went")
    scene.produce()
    scene.wait_read()
    scene.close()
    judge.check_delivered([stays.history, stalls.history], scene.produced, repeats=True)


def commits(groups, mode):
    """What was read is committed, and no more: the next member of the group begins just behind it."""
    scene = groups.scene(f"commit-{mode}")
    scene.join("a", commit=mode)
    scene.produce()
    scene.wait_read()
    scene.wait_committed()
    scene.close()
    judge.check_committed(scene.committed(), scene.ends())
    scene.produce()
    scene.join("b", commit=mode)
    scene.wait_read()
    scene.finish()
    judge.check_committed(scene.committed(), scene.ends())


def listeners(groups):
    """Commits in the listener alone lose and repeat nothing while the group grows and shrinks."""
    scene = groups.scene("listeners")
    first = scene.join("a", commit="revoked")
    scene.produce()
    scene.wait_read()
    second = scene.join("b", commit="revoked")
    scene.wait_shares(3, 3)
    scene.produce()
    scene.wait_read()
    first.close()
    scene.wait_shares(6)
    scene.produce()
    scene.wait_read()
    scene.finish()
    judge.check_committed(scene.committed(), scene.ends())
    for member in (first, second):
        # A listener may be told that nothing goes.
        told = [event.kind for event in member.history.events if event.kind == "record" or event.partitions]
        check(told[0] == "assigned", f"{member.name} saw {told[0]} first")
        check(not member.history.owned(), f"{member.name} closed and was not told that its partitions go")


def commit_at(groups):
    """An offset committed by hand, with its note: the next member begins there, not where the first one read to."""
    scene = groups.scene("commit-at", partitions=1)
    first = scene.join("a", commit="none")
    scene.produce()
    scene.wait_read()
    eleventh = 10
    first.commit({0: eleventh + 1}, NOTE)
    check(first.committed([0]) == {0: (eleventh + 1, NOTE)}, f"the client reads back {first.committed([0])}")
    judge.check_committed(scene.committed(), {0: eleventh + 1})
    first.close()
    judge.check_committed(scene.committed(), {0: eleventh + 1})
    second = scene.join("b", commit="none")
    scene.wait("read again", lambda: len(second.history.records()) >= RECORDS - eleventh - 1)
    read = [event.offset for event in second.history.records()]
    check(read == list(range(eleventh + 1, RECORDS)), f"the second member read {read[:1]} to {read[-1:]}")
    scene.finish(repeats=True)


def seek(groups):
    """Back to the middle, to the start, and to the end."""
    scene = groups.scene("seek", partitions=1)
    member = scene.join("a", commit="none")
    scene.produce()
    scene.wait_read()
    for start in (RECORDS // 2, 0, RECORDS - 1):
        before = len(member.history.records())
        member.tell("seek", f"0:{start}")
        scene.wait("read again", lambda: len(member.history.records()) >= before + RECORDS - start)
        time.sleep(2 * LOOK_SECONDS)
        read = [event.offset for event in member.look().records()[before:]]
        check(read == list(range(start, RECORDS)), f"read {read[:1]} to {read[-1:]}, {len(read)} records, after seek to {start}")
    member.tell("seek", f"0:{RECORDS}")
    scene.produce(10)
    scene.wait_read()
    read = [event.offset for event in member.history.records()[-10:]]
    check(read == list(range(RECORDS, RECORDS + 10)), f"read {read} after seek to the end")
    scene.close()


def assign(groups):
    """Partitions by hand and a group only for its offsets: no rebalance, whoever else reads."""
    scene = groups.scene("assign")
    scene.produce()
    ends = {}
    for partition, offset in scene.produced.values():
        ends[partition] = max(ends.get(partition, 0), offset + 1)
    first, second = (Member(scene.driver, f"{scene.group}-{name}") for name in "ab")
    first.assign(scene.group, scene.topic, {0: 0, 1: ends[1] // 2})
    second.assign(scene.group, scene.topic, {0: 0})
    scene.members += [first, second]
    wanted = {(0, offset) for offset in range(ends[0])} | {(1, offset) for offset in range(ends[1] // 2, ends[1])}
    scene.wait("read", lambda: {(e.partition, e.offset) for e in first.history.records()} >= wanted)
    scene.wait("read", lambda: len(second.history.records()) >= ends[0])
    check(len(first.history.records()) == len(wanted), f"{len(first.history.records())} records, not {len(wanted)}")
    check(len(second.history.records()) == ends[0], f"{len(second.history.records())} records, not {ends[0]}")
    first.commit({0: 3, 1: ends[1]})
    judge.check_committed(scene.committed(), {0: 3, 1: ends[1], 2: None})
    scene.close()
    third = Member(scene.driver, f"{scene.group}-c")
    third.assign(scene.group, scene.topic, {0: "stored"})
    scene.members.append(third)
    scene.wait("read from the committed offset", lambda: len(third.history.records()) >= ends[0] - 3)
    read = [event.offset for event in third.history.records()]
    check(read == list(range(3, ends[0])), f"read {read[:1]} to {read[-1:]} from the committed offset")
    scene.close()


def pause(groups):
    """Nothing comes from paused partitions while the others go on, and nothing of theirs is lost."""
    scene = groups.scene("pause")
    member = scene.join("a")
    scene.wait_shares(6)
    scene.produce()
    scene.wait_read()
    paused = {0, 1, 2}
    member.tell("pause", *paused)
    since = len(member.history.records())
    scene.produce()
    open_keys = {key for key, (partition, _) in scene.produced.items() if partition not in paused}
    scene.wait("the open ones read", lambda: {e.text for e in member.history.records()} >= open_keys)
    time.sleep(QUIET_SECONDS)
    came = [e for e in member.look().records()[since:] if e.partition in paused]
    check(not came, f"{len(came)} records came from paused partitions")
    member.tell("resume", *paused)
    scene.wait_read()
    scene.finish()


def close_at_once(groups, wakes):
    """A member that closes hands its partitions over at once, also out of a poll that waits for long."""
    scene = groups.scene("close")
    stays = scene.join("a")
    leaves = scene.join("b", poll_ms=20_000 if wakes else 200)
    scene.wait_shares(3, 3)
    scene.produce()
    scene.wait_read()
    goes = set(leaves.history.owned())
    began = milliseconds()
    if wakes:
        leaves.tell("wakeup")
        scene.wait("woken", lambda: any(e.kind == "woken" for e in leaves.history.events), WAKEUP_SECONDS_MAX)
        began = milliseconds()
    leaves.close()
    closed = milliseconds()
    check(closed - began <= LEAVE_MS_MAX, f"close took {closed - began} ms")
    scene.wait_shares(6)
    judge.check_took_over(stays.history, goes, began, 0, LEAVE_MS_MAX)
    scene.produce()
    scene.wait_read()
    scene.finish()


def reset(groups, none):
    """Where nothing is committed: from the start, from the end, or an error."""
    scene = groups.scene("reset", partitions=1)
    scene.produce()
    late = scene.join("late", reset="latest", commit="none")
    scene.wait_shares(1)
    # The position is looked up after the assignment; a record produced before that would rightly not come.
    time.sleep(QUIET_SECONDS)
    scene.produce(10)
    scene.wait("the new ones read", lambda: len(late.history.records()) >= 10)
    read = [event.offset for event in late.history.records()]
    check(read == list(range(RECORDS, RECORDS + 10)), f"latest read {read[:1]} to {read[-1:]}")
    late.close()
    early = scene.join("early", reset="earliest", commit="none")
    scene.wait("all read", lambda: len(early.history.records()) >= RECORDS + 10)
    early.close()
    judge.check_delivered([early.history], scene.produced, False)
    if none:
        refused = scene.join("none", reset="none", commit="none")
        scene.wait("refused", lambda: refused.history.errors())
        judge.check_error(refused.history, NO_OFFSET)
        check(not refused.history.records(), "records came without a place to begin")
        refused.close()


def kill_and_restart(scene, broker):
    """Kill -9 of the broker once all is committed. Answers what was committed before, which is there afterwards."""
    scene.wait_committed()
    before = scene.committed()
    broker.kill()
    time.sleep(0.5)
    broker.start()
    after = scene.committed()
    check(after == before, f"committed {after} after the restart, {before} before it")
    return before


def broker_killed(groups, broker):
    """Through kill -9 of the broker: members go on, nothing is lost, and no commit moves back."""
    scene = groups.scene("broker")
    scene.join("a")
    scene.join("b")
    scene.wait_shares(3, 3)
    scene.produce()
    scene.wait_read()
    before = kill_and_restart(scene, broker)
    scene.produce()
    scene.wait_read()
    scene.wait_shares(3, 3)
    scene.produce()
    scene.wait_read()
    scene.wait_committed()
    moved_back = {p: (before[p], end) for p, end in scene.committed().items() if (end or 0) < (before[p] or 0)}
    check(not moved_back, f"commits moved back: {moved_back}")
    scene.close()
    judge.check_delivered([member.history for member in scene.members], scene.produced, repeats=True)


# Scenario, what a client must have for it beside members, function.
SCENARIOS = (
    ("scale out and in", None, scale),
    ("topic grows", "grow", topic_grows),
    ("static members", "static", static),
    ("fenced member", "fenced", fenced),
    ("cooperative", "cooperative", cooperative),
    ("killed member", "hold", killed),
    ("stalled member", "stall", stalled),
    ("commit sync", "commit", lambda groups: commits(groups, "sync")),
    ("commit async", "async", lambda groups: commits(groups, "async")),
    ("commit auto", "auto", lambda groups: commits(groups, "auto")),
    ("commit at", "commit", commit_at),
    ("listeners", "listeners", listeners),
    ("seek", "seek", seek),
    ("assign", "assign", assign),
    ("pause and resume", "pause", pause),
)


def plan(groups, has):
    """The scenarios for a client that has all this, as (name, function); they may run at the same time."""
    for name, needed, function in SCENARIOS:
        if needed is None or needed in has:
            yield name, lambda function=function: function(groups)
    yield "wakeup and close" if "wakeup" in has else "close", lambda: close_at_once(groups, "wakeup" in has)
    yield "offset reset", lambda: reset(groups, "none" in has)

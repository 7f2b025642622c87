"""Which scenarios of groups each client runs: what it has, and which assignors it calls even and sticky."""

from group_migration import migrated, migrated_through_kills
from group_scenarios import Groups, broker_killed, plan as scenarios_of

EVERY = frozenset({
    "grow", "static", "fenced", "cooperative", "hold", "stall", "commit", "async", "auto", "listeners", "seek", "assign", "pause",
    "wakeup", "none", "back",
})


def classic(has, assignors=("range", "cooperative-sticky")):
    return {"classic": (has, assignors)}


def consumer(has):
    return {"consumer": (has, ("range", "uniform"))}


# Whose members are those of the consumer protocol in the groups of clients that lack it.
PARTNER = "confluent-kafka"

# To add partitions (`grow`) is asked of the two clients that most others are made after.
# Client -> group protocol -> what it has, and its assignors.
HAS = {
    # kcat prints what it reads and commits by itself; stopped as a process it holds still.
    "kcat": classic(frozenset({"static", "fenced", "cooperative", "hold", "auto", "none", "back"})),
    # librdkafka waits in short polls: nothing is there to wake up. In the new protocol a member that does not poll leaves
    # when it polls again, whatever max.poll.interval.ms says.
    "confluent-kafka": classic(EVERY - {"wakeup"}) | consumer(EVERY - {"wakeup", "stall"}),
    "java": classic(EVERY) | consumer(EVERY),
    # franz-go has no max.poll.interval.ms: whoever holds up a rebalance does so for the rebalance timeout alone.
    # In the new protocol, of Kafka's broker as well, it does not commit by itself what it read before a pause, and its static
    # members do not take over from one that closed.
    "franz-go": classic(EVERY - {"grow", "stall"}) | consumer(EVERY - {"grow", "stall", "auto", "static"}),
    # kafka-python cannot commit in a plain listener, and never says that a member was fenced.
    "kafka-python": classic(EVERY - {"grow", "wakeup", "listeners", "fenced"}),
    # aiokafka has the eager protocol alone, and never says that a member was fenced.
    "aiokafka": classic(EVERY - {"grow", "wakeup", "cooperative", "fenced"}, ("range", None)),
    # sarama commits synchronously, knows no max.poll.interval.ms, and reads on where a session began.
    "sarama": classic(EVERY - {"grow", "wakeup", "stall", "async", "seek", "none"}),
    # KafkaJS knows neither static members nor listeners that are told before partitions go, and fails inside where a group of
    # the consumer protocol takes partitions from it.
    "kafkajs": classic(frozenset({"commit", "auto", "seek", "hold", "pause"}), ("-", None)),
    "rdkafka": classic(EVERY - {"wakeup"}) | consumer(EVERY - {"wakeup", "stall"}),
    # Static members came with Kafka 2.3, the cooperative protocol with 2.4.
    "java-oldest": classic(EVERY - {"static", "fenced", "cooperative"}, ("range", None)),
    # Its Go client, which brings it built, commits synchronously and leaves at its end, static or not.
    "librdkafka-oldest": classic(EVERY - {"wakeup", "async", "static"}),
}


def plan(name, driver, new_driver, broker, prefix):
    """The scenarios that may run at the same time, and those that need the broker for themselves."""
    beside, alone = [], []
    for protocol, (has, assignors) in HAS[name].items():
        groups = Groups(driver, new_driver, broker.address, prefix, protocol, assignors)
        beside += [(f"{protocol}: {scenario}", function) for scenario, function in scenarios_of(groups, has)]
        if hasattr(broker, "kill"):
            alone.append((f"{protocol}: kill -9 of the broker", lambda groups=groups: broker_killed(groups, broker)))
        if protocol == "classic" and "consumer" in HAS[name]:
            beside.append(("both protocols: migration", lambda groups=groups: migrated(groups)))
            if hasattr(broker, "kill"):
                through = lambda groups=groups: migrated_through_kills(groups, broker)
                alone.append(("both protocols: migration through kill -9 of the broker", through))
        elif protocol == "classic":
            run = lambda groups=groups, has=has: migrated(groups, new_driver(PARTNER), "back" in has)
            beside.append((f"migration with {PARTNER}", run))
    return beside, alone

"""A group that goes from the classic protocol to the consumer protocol and back while it reads (KIP-848): its members are
replaced one by one, as programs are that are given new settings and started again."""

import time

import group_judge as judge
from group_scenarios import kill_and_restart
from offsets import LOADING, LOADING_SECONDS_MAX
from requests import Answer, array, text
from scenarios import check
from wire import Connection, expect

# Of a group of the consumer protocol this version, which does not know of any, says that it is dead.
DESCRIBE_GROUPS, DESCRIBE_GROUPS_VERSION = 15, 0

# The broker's own; on the classic side each client has its own.
CONSUMER_ASSIGNOR = "uniform"


def roll(scene, members, protocol, driver=None, halfway=None):
    """Puts a member of `protocol` in the place of each, which goes when the new one has its share."""
    successors = []
    for number, member in enumerate(members):
        changes = {"assignor": CONSUMER_ASSIGNOR} if protocol == "consumer" else {}
        successors.append(scene.join(f"{protocol}-{len(scene.members)}", driver, protocol=protocol, **changes))
        scene.wait_shares(2, 2, 2)
        scene.produce()
        scene.wait_read()
        if number == 0 and halfway is not None:
            halfway()
        member.close()
        scene.wait_shares(3, 3)
        scene.produce()
        scene.wait_read()
    return successors


def begin(groups, name):
    scene = groups.scene(name)
    members = [scene.join(f"first-{number}") for number in range(2)]
    scene.wait_shares(3, 3)
    scene.produce()
    scene.wait_read()
    check_type(scene, "classic")
    return scene, members


def check_type(scene, wanted):
    deadline = time.monotonic() + LOADING_SECONDS_MAX
    while True:
        error, state = described(scene.groups.address, scene.group)
        if error not in LOADING or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    expect(error == 0, f"description of {scene.group}: error {error}")
    found = "consumer" if state == "Dead" else "classic"
    check(found == wanted, f"{scene.group} is of type {found}, not {wanted}: {state}")


def described(address, group):
    with Connection(address) as connection:
        answer = Answer(connection.request(DESCRIBE_GROUPS, DESCRIBE_GROUPS_VERSION, array([text(group)])))
    answer.take("i")
    error = answer.take("h")
    answer.text()
    return error, answer.text()


def migrated(groups, partner=None, back=True):
    """Up and, but for clients that cannot, back: every record once, no partition with two members, what was committed is
    where each goes on. Members of the consumer protocol are those of the partner, another client's driver, where the client
    has none."""
    scene, members = begin(groups, "migrated")
    members = roll(scene, members, "consumer", partner, lambda: check_type(scene, "consumer"))
    check_type(scene, "consumer")
    if back:
        roll(scene, members, "classic", halfway=lambda: check_type(scene, "consumer"))
        check_type(scene, "classic")
    scene.wait_committed()
    scene.finish()
    judge.check_committed(scene.committed(), scene.ends())


def migrated_through_kills(groups, broker):
    """The same with kill -9 of the broker while members of both protocols are in the group: at least once."""
    scene, members = begin(groups, "migrated-kills")

    def kill():
        kill_and_restart(scene, broker)
        check_type(scene, "consumer")
        scene.produce()
        scene.wait_read()
        scene.wait_shares(2, 2, 2)

    members = roll(scene, members, "consumer", halfway=kill)
    roll(scene, members, "classic", halfway=kill)
    check_type(scene, "classic")
    scene.wait_committed()
    scene.close()
    judge.check_delivered([member.history for member in scene.members], scene.produced, repeats=True)

"""How the outcome of a group scenario is judged: from what its members saw alone."""

from dataclasses import dataclass, field

from scenarios import CheckFailed, check


@dataclass
class Span:
    """One partition in the hands of one member."""

    member: str
    partition: int
    begin: int
    end: int | None = None
    records: list = field(default_factory=list)


def spans(history):
    """The member's times of ownership. What its listener was told, and when its records came, must fit together."""
    done, held = [], {}
    for event in history.events:
        if event.kind == "assigned":
            for partition in event.partitions:
                check(partition not in held, f"{history.name} was assigned {partition}, which it held")
                held[partition] = Span(history.name, partition, event.time)
        elif event.kind in ("revoked", "lost"):
            for partition in event.partitions:
                check(partition in held, f"{history.name} had {partition} {event.kind}, which it did not hold")
                span = held.pop(partition)
                span.end = event.time if history.gone_at is None else max(span.begin, min(event.time, history.gone_at))
                done.append(span)
        elif event.kind == "record":
            check(event.partition in held, f"{history.name} read {event.partition}/{event.offset} without holding it")
            held[event.partition].records.append(event)
    for span in held.values():
        span.end = history.gone_at
    return done + list(held.values())


def check_owned_once(histories):
    """No partition is in the hands of two members at the same time."""
    by_partition = {}
    for span in (span for history in histories for span in spans(history)):
        by_partition.setdefault(span.partition, []).append(span)
    for partition, found in by_partition.items():
        found.sort(key=lambda span: span.begin)
        for before, after in zip(found, found[1:]):
            check(before.end is not None and before.end <= after.begin,
                  f"partition {partition} went to {after.member} while {before.member} held it")


def check_delivered(histories, produced, repeats):
    """Every record came at its offset and with nothing skipped: once, or with `repeats` at least once."""
    places, seen = {}, {}
    for event in (event for history in histories for event in history.records()):
        place = (event.partition, event.offset)
        check(places.setdefault(event.text, place) == place, f"{event.text} came from {place} and {places[event.text]}")
        seen[event.text] = seen.get(event.text, 0) + 1
    missing = [key for key in produced if key not in seen]
    check(not missing, f"{len(missing)} of {len(produced)} records never came: {missing[:3]}")
    foreign = [key for key in seen if key not in produced]
    check(not foreign, f"records came that were not produced: {foreign[:3]}")
    for key, place in produced.items():
        check(place in (places[key], (None, None)), f"{key} acknowledged at {place}, read at {places[key]}")
    twice = [key for key, times in seen.items() if times > 1]
    check(repeats or not twice, f"{len(twice)} records came again: {twice[:3]}")


def check_runs(histories):
    """Inside one ownership offsets have no gap, and the next owner begins at most one behind what was read before."""
    by_partition = {}
    for span in (span for history in histories for span in spans(history) if span.records):
        by_partition.setdefault(span.partition, []).append(span)
    for partition, found in by_partition.items():
        next_offset = 0
        for span in sorted(found, key=lambda span: span.records[0].time):
            first = span.records[0].offset
            check(first <= next_offset, f"{span.member} began {partition} at {first}, read was up to {next_offset}")
            for place, event in enumerate(span.records):
                check(event.offset == first + place,
                      f"{span.member} read {partition}/{event.offset} where {first + place} belongs")
            next_offset = max(next_offset, first + len(span.records))


def check_group(histories, produced, repeats=False):
    check_owned_once(histories)
    check_delivered(histories, produced, repeats)
    check_runs(histories)


def check_kept(history, since):
    """What the member holds now never left it after `since`: only what goes is revoked."""
    went = {p for e in history.events if e.time >= since and e.kind in ("revoked", "lost") for p in e.partitions}
    both = sorted(went & history.owned())
    check(not both, f"{history.name} holds {both}, but had to give them up in between")


def check_undisturbed(history, since):
    """No rebalance reached the member after `since`."""
    kinds = [event.kind for event in history.events if event.time >= since and event.kind in ("assigned", "revoked", "lost")]
    check(not kinds, f"{history.name} was told {kinds}")


def check_took_over(history, partitions, since, at_least_ms, at_most_ms):
    """The member got all these partitions after `since`, within the times."""
    times = {p: e.time for e in history.events if e.kind == "assigned" and e.time >= since for p in e.partitions}
    missing = sorted(set(partitions) - set(times))
    check(not missing, f"{history.name} never got {missing}")
    took = max(times[p] for p in partitions) - since
    check(at_least_ms <= took <= at_most_ms, f"{history.name} took over after {took} ms, not in {at_least_ms} to {at_most_ms}")


def check_committed(committed, wanted):
    for partition, offset in wanted.items():
        found = committed.get(partition)
        check(found == offset, f"partition {partition} is committed at {found}, not at {offset}")


def check_error(history, names):
    """One of the names that the client gives the error, and nothing read after it."""
    errors = history.errors()
    if not any(name.lower() in error.lower() for error in errors for name in names):
        raise CheckFailed(f"{history.name} saw {errors or 'no error'}, not {names[0]}")

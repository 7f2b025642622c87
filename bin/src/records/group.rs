//! `millrace consume --group`: records of the partitions that a group gives to this member of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::time::Duration;

use millrace_client::{
    AssignmentId, ClientError, Cluster, Commits, ErrorCode, Fetched, GroupSettings, LogOffset, Membership,
    Notice, Place, Refusal, Stopper,
};

use super::arguments::ConsumeArguments;
use super::batches;
use super::consume::LIMITS;
use crate::client::{Done, Logs, complain, output, sleep};
use crate::signals::{self, StopSignals};

/// How long the group waits for this member to give its partitions back. It does so between two pieces of its
/// output, unless whoever reads that reads nothing.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Written at once, and told to the group then.
const PIECE_BYTES: usize = 64 * 1024;
/// Without partitions only the group has something to say.
const IDLE: Duration = Duration::from_secs(1);
/// Before brokers are asked again that had no good answer.
const PAUSE: Duration = Duration::from_millis(200);
/// A command whose member has left ends by itself within it, whatever it reads then.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How often a process whose output nobody takes looks whether its member has left.
const LOOK: Duration = Duration::from_millis(100);

/// What the command comes to when the member has left.
enum Ending {
    Done(Done),
    Failed(ClientError),
    /// Nobody reads what it prints.
    Unread,
}

/// Partitions of one assignment after the other.
struct Reader<'a> {
    cluster: &'a mut Cluster,
    arguments: &'a ConsumeArguments,
    membership: Membership,
    assignment: AssignmentId,
    /// The next offset of each partition.
    next: BTreeMap<Place, i64>,
    /// Partitions of which the group has committed nothing.
    unplaced: BTreeSet<Place>,
    /// Records that may still be printed.
    left: u64,
    /// Records that are not written yet.
    out: Vec<u8>,
    /// The member was told to leave.
    ending: Option<Ending>,
    /// The member has left, or failed.
    outcome: Option<Result<Done, ClientError>>,
    /// Brokers had no good answer.
    is_slow: bool,
    /// What has been complained of since all was well.
    complaints: BTreeSet<Option<Place>>,
}

pub(super) fn run(
    cluster: &mut Cluster,
    arguments: &ConsumeArguments,
    group: &str,
) -> Result<Done, ClientError> {
    let topics: BTreeSet<String> = arguments.topics.iter().cloned().collect();
    let known = cluster.leaders(&topics)?;
    if let Some(unknown) = topics.iter().find(|topic| !known.contains_key(*topic)) {
        complain(&format!("there is no topic {unknown}"));
        return Ok(Done::NotAll);
    }
    if arguments.num == Some(0) {
        return Ok(Done::All);
    }
    // Threads inherit that signals are blocked, so this comes before any is started.
    let signals = signals::block().map_err(|error| ClientError::io("handling signals")(error.into()))?;
    let membership = Membership::begin(cluster, settings(arguments, group, topics))?;
    stop_on_arrival(signals, membership.stopper())?;
    let reader = Reader {
        cluster,
        arguments,
        membership,
        assignment: AssignmentId(0),
        next: BTreeMap::new(),
        unplaced: BTreeSet::new(),
        left: arguments.num.unwrap_or(u64::MAX),
        out: Vec::new(),
        ending: None,
        outcome: None,
        is_slow: false,
        complaints: BTreeSet::new(),
    };
    reader.run()
}

fn settings(arguments: &ConsumeArguments, group: &str, topics: BTreeSet<String>) -> GroupSettings {
    let membership = &arguments.membership;
    GroupSettings {
        group: group.to_owned(),
        topics,
        instance: membership.instance_id.clone(),
        session_timeout: Duration::from_millis(u64::from(membership.session_timeout_ms)),
        rebalance_timeout: REBALANCE_TIMEOUT,
        commits: if membership.no_commit { Commits::Never } else { Commits::Often },
    }
}

/// The first signal makes the member leave, after which the command ends;
/// by itself if nobody takes its output.
fn stop_on_arrival(signals: StopSignals, stopper: Stopper) -> Result<(), ClientError> {
    let first = move |signal| {
        stopper.stop();
        let ends = move || {
            while !stopper.has_ended() {
                sleep(LOOK);
            }
            sleep(LAST_WORDS);
            std::process::exit(signals::code_of(signal));
        };
        // Without it the second signal ends the process.
        drop(std::thread::Builder::new().name("ending".to_owned()).spawn(ends));
    };
    signals.on_arrival(first, |_| {}).map_err(ClientError::io("handling signals"))
}

impl Reader<'_> {
    fn run(mut self) -> Result<Done, ClientError> {
        loop {
            if let Some(outcome) = self.outcome.take() {
                return outcome;
            }
            let is_idle = self.ending.is_some() || (self.next.is_empty() && self.unplaced.is_empty());
            let patience = match (is_idle, std::mem::take(&mut self.is_slow)) {
                (true, _) => IDLE,
                (false, true) => PAUSE,
                (false, false) => Duration::ZERO,
            };
            match self.membership.notice(patience) {
                Some(notice) => self.take_notice(notice),
                None if is_idle => {}
                None => self.read(),
            }
        }
    }

    fn take_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Assigned { id, places } => {
                self.assignment = id;
                self.unplaced = places.keys().cloned().collect();
                let committed = places.into_iter().filter_map(|(place, offset)| Some((place, offset?)));
                self.next = committed.collect();
                self.unplaced.retain(|place| !self.next.contains_key(place));
            }
            Notice::Revoked(id) => {
                self.drop_partitions();
                self.membership.release(id);
            }
            Notice::Lost(_) => self.drop_partitions(),
            Notice::Unreachable(why) => {
                complain(&format!("{why}; the group's coordinator is asked again until it answers"));
            }
            Notice::Left { uncommitted } => {
                self.drop_partitions();
                self.outcome = Some(self.leave(&uncommitted));
            }
            Notice::Failed(failure) => {
                self.drop_partitions();
                self.outcome = Some(Err(failure));
            }
        }
    }

    fn drop_partitions(&mut self) {
        self.next.clear();
        self.unplaced.clear();
    }

    fn leave(&mut self, uncommitted: &BTreeMap<Place, i64>) -> Result<Done, ClientError> {
        for (place, offset) in uncommitted {
            complain(&format!("{place}: what was printed before offset {offset} could not be committed"));
        }
        let done = if uncommitted.is_empty() { Done::All } else { Done::NotAll };
        match self.ending.take() {
            None => Ok(done),
            Some(Ending::Done(other)) => Ok(done.and(other)),
            Some(Ending::Failed(failure)) => Err(failure),
            Some(Ending::Unread) => output::end_unread(),
        }
    }

    /// Makes the member leave; the command ends when it has.
    fn end(&mut self, ending: Ending) {
        if self.ending.is_none() {
            self.ending = Some(ending);
            self.membership.stop();
        }
    }

    fn read(&mut self) {
        let outcome = self.place().and_then(|()| match self.next.is_empty() {
            true => Ok(()),
            false => self.fetch(),
        });
        match outcome {
            Ok(()) => {}
            Err(failure @ (ClientError::Io { .. } | ClientError::Broker(_))) => {
                self.complain_once(None, &format!("{failure}; brokers are asked again until one answers"));
                self.is_slow = true;
                // Where that fails it is tried again after the next question, which fails, too.
                drop(self.cluster.reconnect());
            }
            Err(failure) => self.end(Ending::Failed(failure)),
        }
    }

    /// Where to begin with partitions of which nothing is committed. The offset is committed soon: who has
    /// the partition next begins there, too.
    fn place(&mut self) -> Result<(), ClientError> {
        if self.unplaced.is_empty() {
            return Ok(());
        }
        let position = self.arguments.offset;
        let logs = Logs::read(self.cluster, &self.unplaced, &[position])?;
        for place in std::mem::take(&mut self.unplaced) {
            match logs.seek(&place, position) {
                Ok(begin) => {
                    if let Some(note) = begin.note {
                        complain(&format!("{place}: {note}, so {} is taken", begin.offset));
                    }
                    self.begin_at(place, begin.offset);
                }
                Err(refusal) => {
                    self.complain_once(Some(&place), &format!("{place}: {refusal}; it is asked for again"));
                    self.is_slow = true;
                    self.cluster.forget_leaders(&place.topic);
                    self.unplaced.insert(place);
                }
            }
        }
        Ok(())
    }

    fn begin_at(&mut self, place: Place, offset: i64) {
        self.membership.read(self.assignment, BTreeMap::from([(place.clone(), offset)]));
        self.next.insert(place, offset);
    }

    fn fetch(&mut self) -> Result<(), ClientError> {
        let assignment = self.assignment;
        let answers = self.cluster.fetch(&self.next, LIMITS)?;
        if answers.values().all(Result::is_ok) {
            self.complaints.clear();
        }
        for (place, answer) in answers {
            // What was given back while another partition's records were printed may be another member's.
            if !self.holds(assignment, &place) {
                return Ok(());
            }
            match answer {
                Ok(fetched) => self.print(&place, &fetched),
                Err(refusal) => self.take_refusal(place, &refusal)?,
            }
        }
        Ok(())
    }

    fn take_refusal(&mut self, place: Place, refusal: &Refusal) -> Result<(), ClientError> {
        if refusal.is(ErrorCode::OffsetOutOfRange) {
            let starts = self.cluster.log_offsets(&BTreeSet::from([place.clone()]), LogOffset::Earliest)?;
            if let Some(start) = starts.get(&place).copied().flatten() {
                complain(&format!(
                    "{place}: the log has not what comes next, so {start} is taken, its start"
                ));
                self.begin_at(place, start);
            }
        } else if refusal.may_pass() {
            self.complain_once(Some(&place), &format!("{place}: {refusal}; it is asked for again"));
            self.is_slow = true;
            self.cluster.forget_leaders(&place.topic);
        } else {
            complain(&format!("{place}: {refusal}"));
            self.end(Ending::Done(Done::NotAll));
        }
        Ok(())
    }

    /// Prints the records in pieces. After each the group hears how far it is,
    /// and may take the partitions away.
    fn print(&mut self, place: &Place, fetched: &Fetched) {
        let Some(from) = self.next.get(place).copied() else { return };
        let (mut reached, assignment) = (from, self.assignment);
        let read = batches::walk(place, fetched, from, |placed| {
            if self.out.len() >= PIECE_BYTES {
                self.write_piece(place, placed.offset);
            }
            if self.left == 0 || !self.holds(assignment, place) {
                return ControlFlow::Break(());
            }
            placed.write(self.arguments.format(), &mut self.out);
            self.left -= 1;
            reached = placed.offset + 1;
            ControlFlow::Continue(())
        });
        if self.holds(assignment, place) {
            self.write_piece(place, *read.as_ref().unwrap_or(&reached));
        }
        if let Err(fault) = read {
            complain(&format!("{place}: {fault}"));
            self.end(Ending::Done(Done::NotAll));
        }
        if self.left == 0 {
            self.end(Ending::Done(Done::All));
        }
    }

    /// Writes what is printed of a partition up to an offset.
    fn write_piece(&mut self, place: &Place, next: i64) {
        if self.next.get(place) == Some(&next) {
            return;
        }
        let written = match self.out.is_empty() {
            true => Ok(()),
            false => output::try_print_bytes(&self.out),
        };
        self.out.clear();
        match written {
            Ok(()) => self.begin_at(place.clone(), next),
            Err(error) => self.end(unwritten(&error)),
        }
        while let Some(notice) = self.membership.notice(Duration::ZERO) {
            self.take_notice(notice);
        }
    }

    /// Whether the partition is still to be read as it was assigned then.
    fn holds(&self, assignment: AssignmentId, place: &Place) -> bool {
        self.ending.is_none() && self.assignment == assignment && self.next.contains_key(place)
    }

    /// Complains unless that was done, of this partition or of brokers, since all was well.
    fn complain_once(&mut self, of: Option<&Place>, what: &str) {
        if self.complaints.insert(of.cloned()) {
            complain(what);
        }
    }
}

fn unwritten(error: &io::Error) -> Ending {
    if error.kind() == ErrorKind::BrokenPipe {
        return Ending::Unread;
    }
    complain(&format!("standard output: {error}"));
    Ending::Done(Done::NotAll)
}

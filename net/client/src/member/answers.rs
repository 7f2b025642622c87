//! What a member makes of the answers to its requests.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_wire::ErrorCode;

use super::range;
use super::requests::{Answer, Asked, AssignmentId, Generation, Joined, Notice, Request};
use super::state::{Member, Stage};
use crate::error::ClientError;
use crate::place::Place;
use crate::refusal::Refusal;

impl Member {
    /// The answer to a request; nothing happens if it is waited for no more.
    pub(crate) fn handle_answer(&mut self, now: Duration, asked: Asked, answer: Answer) {
        let Some((_, request)) = self.asked.take_if(|(waiting, _)| *waiting == asked) else { return };
        match (request, answer) {
            (_, Answer::Broken(why)) => self.handle_broken(now, why),
            (_, Answer::Unusable(failure)) => self.fail(failure),
            (request, Answer::Refused(code)) => self.handle_refusal(now, &request, code),
            (Request::FindCoordinator, Answer::Found) => self.has_coordinator = true,
            (Request::Join(_), Answer::MemberIdRequired(id)) => self.generation.member = id,
            (Request::Join(_), Answer::Joined(joined)) => self.handle_joined(now, joined),
            (Request::Count(_), Answer::Counted(counts)) => self.handle_counts(now, counts),
            (Request::Sync(..), Answer::Synced(places)) => {
                self.recover();
                self.heartbeat_at = now + self.heartbeat_interval();
                match places.is_empty() {
                    true => self.begin_reading(now, BTreeMap::new()),
                    false => self.stage = Stage::Assigned(places),
                }
            }
            (request @ Request::Committed(_), Answer::Committed(found)) => {
                self.handle_committed(now, &request, found);
            }
            (Request::Heartbeat(_), Answer::Done) => self.recover(),
            (Request::Commit(generation, offsets), Answer::Stored(codes)) => {
                self.handle_stored(now, generation, offsets, &codes);
            }
            (Request::Leave(_), Answer::Done) => self.end(),
            _ => self.fail(ClientError::silent()),
        }
    }

    fn handle_broken(&mut self, now: Duration, why: String) {
        self.has_coordinator = false;
        self.wait(now);
        if !std::mem::replace(&mut self.is_unreachable, true) {
            self.notices.push_back(Notice::Unreachable(why));
        }
    }

    fn handle_joined(&mut self, now: Duration, joined: Joined) {
        let Joined { generation, member, leader, keeps_assignment, subscribers } = joined;
        self.recover();
        self.heartbeat_at = now + self.heartbeat_interval();
        self.counts = None;
        self.led = match leader == member {
            true => subscribers.iter().flat_map(|subscriber| subscriber.topics.iter().cloned()).collect(),
            false => Default::default(),
        };
        self.stage = match leader == member && !keeps_assignment {
            true => Stage::Leading(subscribers),
            false => Stage::Joined(BTreeMap::new()),
        };
        self.generation = Generation { id: generation, member };
    }

    fn handle_counts(&mut self, now: Duration, counts: BTreeMap<String, i32>) {
        if let Stage::Leading(subscribers) = &self.stage {
            self.stage = Stage::Joined(range::assign(subscribers, &counts));
        } else if self.counts.as_ref().is_some_and(|known| *known != counts) {
            // A leader that joins again begins a new generation.
            self.rejoin(now);
        }
        self.counts = Some(counts);
    }

    fn handle_committed(
        &mut self,
        now: Duration,
        request: &Request,
        found: BTreeMap<Place, Result<Option<i64>, i16>>,
    ) {
        let Stage::Assigned(places) = &self.stage else { return };
        let mut from: BTreeMap<Place, Option<i64>> =
            places.iter().map(|place| (place.clone(), None)).collect();
        for (place, offset) in found {
            let offset = match offset {
                Ok(offset) => offset,
                Err(code) if code == ErrorCode::UnknownTopicOrPartition.code() => None,
                Err(code) => return self.handle_refusal(now, request, code),
            };
            if let Some(known) = from.get_mut(&place) {
                *known = offset;
            }
        }
        self.begin_reading(now, from);
    }

    fn begin_reading(&mut self, now: Duration, places: BTreeMap<Place, Option<i64>>) {
        self.begin_timers(now);
        self.assignment = AssignmentId(self.assignment.0 + 1);
        self.stage = Stage::Reading;
        self.notices.push_back(Notice::Assigned { id: self.assignment, places });
    }

    fn handle_stored(
        &mut self,
        now: Duration,
        generation: Generation,
        offsets: BTreeMap<Place, i64>,
        codes: &BTreeMap<Place, i16>,
    ) {
        let gone = ErrorCode::UnknownTopicOrPartition.code();
        let refused = codes.values().copied().find(|code| *code != 0 && *code != gone);
        for (place, offset) in &offsets {
            // A topic that is gone has nothing that could be read again.
            let is_settled = codes.get(place).is_some_and(|code| *code == 0 || *code == gone);
            if is_settled && self.uncommitted.get(place) == Some(offset) {
                self.uncommitted.remove(place);
            }
        }
        match refused {
            Some(code) => self.handle_refusal(now, &Request::Commit(generation, offsets), code),
            None => self.recover(),
        }
    }

    fn handle_refusal(&mut self, now: Duration, request: &Request, code: i16) {
        use ErrorCode::{
            CoordinatorLoadInProgress, CoordinatorNotAvailable, IllegalGeneration, LeaderNotAvailable,
            NotCoordinator, RebalanceInProgress, RequestTimedOut, UnknownMemberId, UnstableOffsetCommit,
        };
        match ErrorCode::from_i16(code) {
            Some(NotCoordinator | CoordinatorNotAvailable) => {
                self.has_coordinator = false;
                self.put_off(now, request, code);
            }
            Some(CoordinatorLoadInProgress | UnstableOffsetCommit | LeaderNotAvailable | RequestTimedOut) => {
                self.put_off(now, request, code);
            }
            // Whoever is not there any more has left.
            _ if matches!(request, Request::Leave(_)) => self.end(),
            Some(RebalanceInProgress) => self.rejoin(now),
            Some(IllegalGeneration) => self.lose(now),
            Some(UnknownMemberId) => {
                self.generation.member.clear();
                self.lose(now);
            }
            _ => self.fail(refusal(request, code)),
        }
    }

    /// Asks again later. What lasts is told, once.
    fn put_off(&mut self, now: Duration, request: &Request, code: i16) {
        if self.has_waited_long() && !std::mem::replace(&mut self.is_unreachable, true) {
            self.notices.push_back(Notice::Unreachable(refusal(request, code).to_string()));
        }
        self.wait(now);
    }
}

fn refusal(request: &Request, code: i16) -> ClientError {
    ClientError::Refused { what: request.name().to_owned(), refusal: Refusal { code, reason: None } }
}

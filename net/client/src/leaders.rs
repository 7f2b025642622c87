//! Who leads the partitions of topics, and questions that only leaders answer.

use std::collections::{BTreeMap, BTreeSet};

use millrace_wire::ErrorCode;

use crate::clock;
use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::metadata::{self, SeenTopic, Topic, Wanted};
use crate::place::Place;
use crate::refusal::Refusal;
use crate::transport::Peer;

/// What is said of each place.
pub type Answers<T> = BTreeMap<Place, Result<T, Refusal>>;
/// A place as a broker answers for it.
pub(crate) type Answered<T> = (Place, Result<T, Refusal>);

impl Cluster {
    /// The leader of each partition, by topic; topics that do not exist are not there,
    /// partitions that nobody leads have -1.
    pub fn leaders(
        &mut self,
        topics: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, BTreeMap<i32, i32>>, ClientError> {
        let mut leaders = BTreeMap::new();
        for (name, seen) in self.describe_topics(topics)? {
            match seen {
                Ok(topic) => {
                    leaders.insert(name, leaders_of(&topic));
                }
                Err(refusal) if refusal.is(ErrorCode::UnknownTopicOrPartition) => {}
                Err(refusal) => {
                    return Err(ClientError::refused(format!("a question for topic {name}"))(refusal));
                }
            }
        }
        Ok(leaders)
    }

    /// Each of these topics, or why nothing can be said of it.
    pub fn describe_topics(&mut self, topics: &BTreeSet<String>) -> Result<Vec<SeenTopic>, ClientError> {
        match topics.is_empty() {
            true => Ok(Vec::new()),
            false => self.see(&Wanted::These(topics)),
        }
    }

    /// Every topic, by name.
    pub fn all_topics(&mut self) -> Result<Vec<Topic>, ClientError> {
        let mut topics: Vec<Topic> = Vec::new();
        for (name, seen) in self.see(&Wanted::All)? {
            let refused = |refusal: Refusal| ClientError::Broker(format!("topic {name}: {refusal}"));
            topics.push(seen.map_err(refused)?);
        }
        topics.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(topics)
    }

    /// Learns which brokers there are now.
    pub(crate) fn look_at_brokers(&mut self) -> Result<(), ClientError> {
        self.see(&Wanted::These(&BTreeSet::new())).map(drop)
    }

    /// Forgets who leads the partitions of a topic: the next question asks for that, too.
    pub fn forget_leaders(&mut self, topic: &str) {
        self.leaders.remove(topic);
    }

    fn see(&mut self, wanted: &Wanted<'_>) -> Result<Vec<SeenTopic>, ClientError> {
        let seen = metadata::ask(self.any(), wanted)?;
        self.learn(seen.nodes, seen.controller);
        Ok(seen.topics)
    }

    /// Asks the leaders of the places, each for all of its own at once.
    /// What has moved meanwhile is asked for once more, where it is then.
    pub(crate) fn ask_leaders<Q: Clone, T>(
        &mut self,
        asked: &BTreeMap<Place, Q>,
        mut ask: impl FnMut(&mut Peer, &BTreeMap<Place, Q>) -> Result<Vec<Answered<T>>, ClientError>,
    ) -> Result<Answers<T>, ClientError> {
        let mut answers = self.ask_leaders_once(asked, &mut ask)?;
        let has_moved = |place: &Place| {
            answers.get(place).is_some_and(|answer| answer.as_ref().is_err_and(Refusal::has_moved))
        };
        let again: BTreeMap<Place, Q> = asked
            .iter()
            .filter(|(place, _)| has_moved(place))
            .map(|(place, question)| (place.clone(), question.clone()))
            .collect();
        if !again.is_empty() {
            again.keys().for_each(|place| drop(self.leaders.remove(&place.topic)));
            clock::await_election();
            answers.extend(self.ask_leaders_once(&again, &mut ask)?);
        }
        Ok(answers)
    }

    fn ask_leaders_once<Q: Clone, T>(
        &mut self,
        asked: &BTreeMap<Place, Q>,
        ask: &mut impl FnMut(&mut Peer, &BTreeMap<Place, Q>) -> Result<Vec<Answered<T>>, ClientError>,
    ) -> Result<Answers<T>, ClientError> {
        self.find_leaders(asked.keys().map(|place| &place.topic))?;
        let mut answers = Answers::new();
        let mut by_leader: BTreeMap<i32, BTreeMap<Place, Q>> = BTreeMap::new();
        for (place, question) in asked {
            match self.leader_of(place) {
                Ok(leader) => {
                    by_leader.entry(leader).or_default().insert(place.clone(), question.clone());
                }
                Err(refusal) => {
                    answers.insert(place.clone(), Err(refusal));
                }
            }
        }
        for (leader, places) in by_leader {
            answers.extend(ask(self.broker(leader)?, &places)?);
        }
        Ok(answers)
    }

    /// Asks for the leaders of topics of which nothing is known.
    fn find_leaders<'a>(&mut self, topics: impl Iterator<Item = &'a String>) -> Result<(), ClientError> {
        let unknown: BTreeSet<String> =
            topics.filter(|topic| !self.leaders.contains_key(*topic)).cloned().collect();
        let found = self.leaders(&unknown)?;
        self.leaders.extend(found);
        Ok(())
    }

    fn leader_of(&self, place: &Place) -> Result<i32, Refusal> {
        let Place { topic, partition } = place;
        let Some(partitions) = self.leaders.get(topic) else {
            let reason = format!("there is no topic {topic}");
            return Err(Refusal::of(ErrorCode::UnknownTopicOrPartition, reason));
        };
        match partitions.get(partition) {
            Some(leader) if *leader >= 0 => Ok(*leader),
            Some(_) => {
                Err(Refusal::of(ErrorCode::LeaderNotAvailable, format!("nobody leads partition {place}")))
            }
            None => {
                let reason = format!("topic {topic} has no partition {partition}");
                Err(Refusal::of(ErrorCode::UnknownTopicOrPartition, reason))
            }
        }
    }
}

fn leaders_of(topic: &Topic) -> BTreeMap<i32, i32> {
    topic.partitions.iter().map(|partition| (partition.index, partition.leader.unwrap_or(-1))).collect()
}

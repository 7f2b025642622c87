//! Generations of one group as the outside knows them: what leaders proposed, what members were assigned,
//! who owns what just now.

use std::collections::BTreeMap;

use super::plan::Place;

/// What a leader sent for each member, by the member's key.
pub(crate) type Proposal = BTreeMap<String, Vec<Place>>;

/// A slot's member in a generation, as the member itself believes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    generation: i32,
    places: Vec<Place>,
    /// A heartbeat said so since.
    is_confirmed: bool,
}

/// What a slot's member was assigned.
pub(crate) struct Assigned {
    pub(crate) slot: usize,
    /// Its instance id, else its member id.
    pub(crate) key: String,
    pub(crate) generation: i32,
    pub(crate) places: Vec<Place>,
}

/// One group.
pub(crate) struct Generations {
    /// The newest in which somebody was assigned something; the coordinator has written it.
    newest: i32,
    /// By generation: as many as may be its assignment yet. A generation that was lost in a crash, before
    /// anybody had an assignment, comes again.
    proposals: BTreeMap<i32, Vec<Proposal>>,
    owners: BTreeMap<(i32, Place), String>,
    standings: Vec<Option<Standing>>,
}

impl Generations {
    pub(crate) fn new(slots: usize) -> Generations {
        Generations {
            newest: 0,
            proposals: BTreeMap::new(),
            owners: BTreeMap::new(),
            standings: vec![None; slots],
        }
    }

    pub(crate) fn newest(&self) -> i32 {
        self.newest
    }

    /// How many generations had members with an assignment.
    pub(crate) fn count(&self) -> u64 {
        self.proposals.len() as u64
    }

    pub(crate) fn propose(&mut self, generation: i32, proposal: Proposal) {
        let proposals = self.proposals.entry(generation).or_default();
        // Once somebody was assigned a part of one it stays with that.
        if generation > self.newest {
            proposals.push(proposal);
        }
    }

    /// A member was told its assignment.
    pub(crate) fn assign(&mut self, assigned: Assigned) -> Result<(), String> {
        let Assigned { slot, key, generation, places } = assigned;
        let proposals = self.proposals.entry(generation).or_default();
        let count = proposals.len();
        proposals.retain(|proposal| proposal.get(&key) == Some(&places));
        if proposals.is_empty() {
            return Err(format!(
                "{key} has {places:?} in generation {generation}: not from its leader, who sent {count} assignments"
            ));
        }
        for &place in &places {
            let owner = self.owners.entry((generation, place)).or_insert_with(|| key.clone());
            if *owner != key {
                return Err(format!(
                    "{place:?} has two owners in generation {generation}: {owner} and {key}"
                ));
            }
        }
        self.newest = self.newest.max(generation);
        self.standings[slot] = Some(Standing { generation, places, is_confirmed: false });
        Ok(())
    }

    pub(crate) fn confirm(&mut self, slot: usize) {
        if let Some(standing) = &mut self.standings[slot] {
            standing.is_confirmed = true;
        }
    }

    pub(crate) fn leave(&mut self, slot: usize) {
        self.standings[slot] = None;
    }

    /// Nothing has been heard of anybody since now.
    pub(crate) fn forget_confirmations(&mut self) {
        self.standings.iter_mut().flatten().for_each(|standing| standing.is_confirmed = false);
    }

    /// Whether all of `slots` have a member in the same generation, and own all of `places` between them;
    /// or what is missing.
    pub(crate) fn settled(&self, slots: impl Iterator<Item = usize>, places: &[Place]) -> Result<(), String> {
        let mut owned: Vec<Place> = Vec::new();
        let mut generation = None;
        for slot in slots {
            match &self.standings[slot] {
                Some(standing) if standing.is_confirmed => {
                    let first = *generation.get_or_insert(standing.generation);
                    if first != standing.generation {
                        let other = standing.generation;
                        return Err(format!("there are members in generations {first} and {other}"));
                    }
                    owned.extend(&standing.places);
                }
                standing => return Err(format!("the member in slot {slot} is {standing:?}")),
            }
        }
        owned.sort_unstable();
        if owned == places { Ok(()) } else { Err(format!("only {owned:?} have owners")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [Place; 2] = [Place { topic: 0, partition: 0 }, Place { topic: 0, partition: 1 }];

    /// A leader gives a partition to each of `a` and `b`, in generation 3.
    fn group() -> Generations {
        let mut group = Generations::new(2);
        let proposal = [("a".to_owned(), vec![PLACES[0]]), ("b".to_owned(), vec![PLACES[1]])];
        group.propose(3, proposal.into());
        group
    }

    fn assign(group: &mut Generations, slot: usize, places: &[Place]) -> Result<(), String> {
        let key = ["a", "b"][slot].to_owned();
        group.assign(Assigned { slot, key, generation: 3, places: places.to_vec() })
    }

    #[test]
    fn members_get_what_their_leader_sent() {
        let mut group = group();
        assert_eq!(assign(&mut group, 0, &PLACES[..1]), Ok(()));
        assert!(group.settled(0..2, &PLACES).is_err());
        assert_eq!(assign(&mut group, 1, &PLACES[1..]), Ok(()));
        assert!(group.settled(0..2, &PLACES).is_err(), "no heartbeat yet");
        group.confirm(0);
        group.confirm(1);
        assert_eq!(group.settled(0..2, &PLACES), Ok(()));
        assert!(group.settled(0..1, &PLACES).is_err(), "a partition has no owner");
        assert_eq!((group.newest(), group.count()), (3, 1));
    }

    #[test]
    fn what_the_leader_did_not_send_is_found() {
        let mut group = group();
        let reason = assign(&mut group, 0, &PLACES[1..]).expect_err("that is b's");
        assert!(reason.contains("not from its leader"), "{reason}");
    }

    #[test]
    fn two_owners_are_found() {
        let mut group = Generations::new(2);
        let both = [("a".to_owned(), PLACES.to_vec()), ("b".to_owned(), PLACES.to_vec())];
        group.propose(3, both.into());
        assert_eq!(assign(&mut group, 0, &PLACES), Ok(()));
        let reason = assign(&mut group, 1, &PLACES).expect_err("a owns them");
        assert!(reason.contains("has two owners in generation 3"), "{reason}");
    }
}

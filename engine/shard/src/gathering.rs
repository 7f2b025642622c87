//! Asks the owners of some partitions, one after another, and puts their answers into the order of the asks.

use std::rc::Rc;

use millrace_core::base::ids::PartitionKey;

use crate::message::{Answer, Ask};
use crate::shard::{Core, Shard};

/// How another shard is sent asks of a name, and their answers are taken out of its answer.
pub(crate) struct Mesh<A, T> {
    pub(crate) ask: fn(Vec<A>) -> Ask,
    pub(crate) taken: fn(Answer) -> Option<Vec<T>>,
}

impl Shard {
    /// The answer to each ask, in order: `own` gives those of the partitions of this shard, `mesh` says how another is
    /// asked.
    ///
    /// Dropping the future leaves to an owner what it was asked, and asks no other.
    pub(crate) async fn gather<A: Copy, T>(
        &self,
        asks: &[A],
        key: impl Fn(&A) -> PartitionKey,
        own: impl AsyncFn(&Rc<Core>, Vec<A>) -> Vec<T>,
        mesh: Mesh<A, T>,
    ) -> Vec<T> {
        let mut found: Vec<(usize, T)> = Vec::with_capacity(asks.len());
        for (owner, places) in self.by_owner(asks.iter().map(key)) {
            let owned: Vec<A> = places.iter().map(|&place| asks[place]).collect();
            let answers = if owner == self.index() {
                own(self.core(), owned).await
            } else {
                match (mesh.taken)(self.ask(owner, (mesh.ask)(owned)).await) {
                    Some(answers) => answers,
                    None => unreachable!("an ask is answered with the answer of its name"),
                }
            };
            assert_eq!(answers.len(), places.len(), "an owner answers each ask");
            found.extend(places.into_iter().zip(answers));
        }
        found.sort_unstable_by_key(|(place, _)| *place);
        found.into_iter().map(|(_, answer)| answer).collect()
    }
}

/// The [`Mesh`] of the ask and the answer of these names.
macro_rules! over_the_mesh {
    ($ask:ident, $answer:ident) => {
        crate::gathering::Mesh {
            ask: crate::message::Ask::$ask,
            taken: |answer| match answer {
                crate::message::Answer::$answer(answers) => Some(answers),
                _ => None,
            },
        }
    };
}

pub(crate) use over_the_mesh;

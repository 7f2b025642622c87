//! Where another thread asks the shards: it leaves a question, and each shard answers in a turn of its own.

use std::sync::{Mutex, MutexGuard, PoisonError};

use millrace_core::base::ShardIndex;
use millrace_rt::Gate;
use tokio::sync::oneshot;

/// One place for each shard. Asking never waits for a shard, and a shard that is not asked does nothing.
pub(crate) struct Desk<T> {
    places: Vec<Mutex<Place<T>>>,
}

struct Place<T> {
    is_attended: bool,
    called: Gate,
    questions: Vec<Question<T>>,
}

/// What a shard is asked; the answer goes where it came from.
pub(crate) enum Question<T> {
    /// Whether it still takes its turns.
    Alive(oneshot::Sender<()>),
    Report(oneshot::Sender<T>),
}

impl<T> Desk<T> {
    pub(crate) fn new(shards: u16) -> Desk<T> {
        let place = || Place { is_attended: false, called: Gate::new(), questions: Vec::new() };
        Desk { places: (0..shards).map(|_| Mutex::new(place())).collect() }
    }

    /// Asks every shard that serves for a report. A shard that stops drops the question.
    pub(crate) fn ask_reports(&self) -> Vec<(ShardIndex, oneshot::Receiver<T>)> {
        self.ask(Question::Report)
    }

    /// Asks every shard that serves for a sign of life.
    pub(crate) fn ask_alive(&self) -> Vec<(ShardIndex, oneshot::Receiver<()>)> {
        self.ask(Question::Alive)
    }

    fn ask<A>(
        &self,
        question: impl Fn(oneshot::Sender<A>) -> Question<T>,
    ) -> Vec<(ShardIndex, oneshot::Receiver<A>)> {
        let mut answers = Vec::new();
        for (place, shard) in self.places.iter().zip(0u16..) {
            let mut place = lock(place);
            if place.is_attended {
                let (sender, receiver) = oneshot::channel();
                place.questions.push(question(sender));
                place.called.open();
                answers.push((ShardIndex(shard), receiver));
            }
        }
        answers
    }

    /// The next questions to this shard, at least one. Dropping the future loses none.
    pub(crate) async fn next_questions(&self, shard: ShardIndex) -> Vec<Question<T>> {
        let Some(place) = self.places.get(usize::from(shard.0)) else { return std::future::pending().await };
        loop {
            let called = {
                let mut place = lock(place);
                place.is_attended = true;
                if !place.questions.is_empty() {
                    place.called = Gate::new();
                    return std::mem::take(&mut place.questions);
                }
                place.called.clone()
            };
            called.wait().await;
        }
    }

    /// The shard answers no more.
    pub(crate) fn leave(&self, shard: ShardIndex) {
        if let Some(place) = self.places.get(usize::from(shard.0)) {
            let mut place = lock(place);
            place.is_attended = false;
            place.questions.clear();
        }
    }
}

fn lock<T>(place: &Mutex<Place<T>>) -> MutexGuard<'_, Place<T>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

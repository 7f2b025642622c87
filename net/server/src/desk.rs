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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::net::Ipv4Addr;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::time::Duration;

    use millrace_rt::world::{World, WorldOptions};

    /// Answers two questions and leaves.
    async fn attend(desk: Arc<Desk<u16>>, shard: u16) {
        let mut answered = 0;
        while answered < 2 {
            for question in desk.next_questions(ShardIndex(shard)).await {
                answered += 1;
                match question {
                    Question::Alive(answer) => drop(answer.send(())),
                    Question::Report(answer) => drop(answer.send(100 + shard)),
                }
            }
        }
        desk.leave(ShardIndex(shard));
    }

    async fn ask(desk: Arc<Desk<u16>>) {
        assert!(desk.ask_reports().is_empty(), "nobody serves yet");
        millrace_rt::sleep(Duration::from_millis(10)).await;
        for (shard, answer) in desk.ask_reports() {
            assert_eq!(answer.await, Ok(100 + shard.0));
        }
        let alive = desk.ask_alive();
        assert_eq!(alive.len(), 2, "shard 2 never attended");
        for (_, answer) in alive {
            assert_eq!(answer.await, Ok(()));
        }
        millrace_rt::sleep(Duration::from_millis(10)).await;
        assert!(desk.ask_alive().is_empty(), "all have left");
    }

    #[test]
    fn shards_that_attend_answer_in_turns_of_their_own() {
        for seed in 0..20 {
            let mut world = World::new(seed, WorldOptions::default());
            let (broker, side) =
                (world.add_node(Ipv4Addr::new(10, 0, 0, 1)), world.add_node(Ipv4Addr::new(10, 0, 0, 2)));
            let desk = Arc::new(Desk::new(3));
            let asked = Rc::new(Cell::new(false));
            let (seen, done, attended) = (asked.clone(), asked.clone(), desk.clone());
            world.start(side, 1, move |_| {
                let (desk, asked) = (desk.clone(), asked.clone());
                async move {
                    ask(desk).await;
                    asked.set(true);
                }
            });
            world.run_for(Duration::from_millis(1));
            world.start(broker, 3, move |seat| {
                let desk = attended.clone();
                async move {
                    if seat.shard < 2 {
                        attend(desk, seat.shard).await;
                    }
                }
            });
            world.run_until(Duration::from_secs(10), || done.get());
            assert!(seen.get(), "seed {seed}: an answer is missing");
        }
    }
}

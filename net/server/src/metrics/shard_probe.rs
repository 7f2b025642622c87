//! Probes of the shards by other threads: a thread leaves a question,
//! and each shard answers it in a turn of its own.

use std::sync::{Mutex, MutexGuard, PoisonError};

use millrace_core::base::ShardIndex;
use millrace_rt::Gate;
use tokio::sync::oneshot;

/// One place for each shard. Asking never waits for a shard, and a shard that is not asked does nothing.
pub(crate) struct ShardProbe<T> {
    places: Vec<Mutex<ProbedShard<T>>>,
}

struct ProbedShard<T> {
    is_attended: bool,
    called: Gate,
    questions: Vec<Question<T>>,
}

/// A question to a shard. The response goes back to the thread that asked.
pub(crate) enum Question<T> {
    /// Whether the shard still takes its turns.
    Alive(oneshot::Sender<()>),
    Report(oneshot::Sender<T>),
}

impl<T> ShardProbe<T> {
    pub(crate) fn new(shards: u16) -> ShardProbe<T> {
        let place = || ProbedShard { is_attended: false, called: Gate::new(), questions: Vec::new() };
        ShardProbe { places: (0..shards).map(|_| Mutex::new(place())).collect() }
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
        let mut responses = Vec::new();
        for (place, shard) in self.places.iter().zip(0u16..) {
            let mut place = lock(place);
            if place.is_attended {
                let (sender, receiver) = oneshot::channel();
                place.questions.push(question(sender));
                place.called.open();
                responses.push((ShardIndex(shard), receiver));
            }
        }
        responses
    }

    /// Waits for questions to this shard and returns them. Dropping the future loses none.
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

    /// Notes that the shard answers no more questions.
    pub(crate) fn leave(&self, shard: ShardIndex) {
        if let Some(place) = self.places.get(usize::from(shard.0)) {
            let mut place = lock(place);
            place.is_attended = false;
            place.questions.clear();
        }
    }
}

fn lock<T>(place: &Mutex<ProbedShard<T>>) -> MutexGuard<'_, ProbedShard<T>> {
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
    async fn attend(probe: Arc<ShardProbe<u16>>, shard: u16) {
        let mut answered = 0;
        while answered < 2 {
            for question in probe.next_questions(ShardIndex(shard)).await {
                answered += 1;
                match question {
                    Question::Alive(response) => drop(response.send(())),
                    Question::Report(response) => drop(response.send(100 + shard)),
                }
            }
        }
        probe.leave(ShardIndex(shard));
    }

    async fn ask(probe: Arc<ShardProbe<u16>>) {
        assert!(probe.ask_reports().is_empty(), "nobody serves yet");
        millrace_rt::sleep(Duration::from_millis(10)).await;
        for (shard, response) in probe.ask_reports() {
            assert_eq!(response.await, Ok(100 + shard.0));
        }
        let alive = probe.ask_alive();
        assert_eq!(alive.len(), 2, "shard 2 never attended");
        for (_, response) in alive {
            assert_eq!(response.await, Ok(()));
        }
        millrace_rt::sleep(Duration::from_millis(10)).await;
        assert!(probe.ask_alive().is_empty(), "all have left");
    }

    #[test]
    fn shards_that_attend_answer_in_turns_of_their_own() {
        for seed in 0..20 {
            let mut world = World::new(seed, WorldOptions::default());
            let (broker, side) =
                (world.add_node(Ipv4Addr::new(10, 0, 0, 1)), world.add_node(Ipv4Addr::new(10, 0, 0, 2)));
            let probe = Arc::new(ShardProbe::new(3));
            let asked = Rc::new(Cell::new(false));
            let (seen, done, attended) = (asked.clone(), asked.clone(), probe.clone());
            world.start(side, 1, move |_| {
                let (probe, asked) = (probe.clone(), asked.clone());
                async move {
                    ask(probe).await;
                    asked.set(true);
                }
            });
            world.run_for(Duration::from_millis(1));
            world.start(broker, 3, move |seat| {
                let probe = attended.clone();
                async move {
                    if seat.shard < 2 {
                        attend(probe, seat.shard).await;
                    }
                }
            });
            world.run_until(Duration::from_secs(10), || done.get());
            assert!(seen.get(), "seed {seed}: a response is missing");
        }
    }
}

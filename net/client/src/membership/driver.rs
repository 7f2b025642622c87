//! A member of a group, driven by threads: one keeps it, others wait for the answers of brokers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::calls::Caller;
use crate::clock::Stopwatch;
use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::member::{Action, Answer, Asked, AssignmentId, GroupSettings, Member, Notice, Request};
use crate::place::Place;

/// Longer than anything a member waits for without an event of its own.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A member of a consumer group. It stays one, with heartbeats, whatever its owner does meanwhile; what its
/// owner reads is committed once it was told of it. Dropped, it leaves by itself.
pub struct Membership {
    inputs: Sender<Input>,
    notices: Receiver<Notice>,
    has_ended: Arc<AtomicBool>,
}

/// Makes a member leave, from another thread.
#[derive(Clone)]
pub struct Stopper {
    inputs: Sender<Input>,
    has_ended: Arc<AtomicBool>,
}

/// What the member's thread is told.
enum Input {
    Read(AssignmentId, BTreeMap<Place, i64>),
    Released(AssignmentId),
    Stop,
    Answered(Asked, Answer),
}

impl Membership {
    /// Joins the group; connections are its own.
    pub fn begin(cluster: &Cluster, settings: GroupSettings) -> Result<Membership, ClientError> {
        let (inputs, told) = channel();
        let (tell, notices) = channel();
        let has_ended = Arc::new(AtomicBool::new(false));
        let calls = Calls {
            settings: settings.clone(),
            bootstrap: cluster.bootstrap().to_vec(),
            known: cluster.known(),
            answers: inputs.clone(),
            caller: None,
            waits_for: None,
        };
        let member = Member::new(settings);
        let ended = Arc::clone(&has_ended);
        spawn("group-member", move || {
            run(member, calls, &told, &tell);
            ended.store(true, Ordering::Release);
        })?;
        Ok(Membership { inputs, notices, has_ended })
    }

    /// The next thing that its owner has to know, if there is one within this time.
    pub fn notice(&self, within: Duration) -> Option<Notice> {
        self.notices.recv_timeout(within).ok()
    }

    /// Says which offsets come next where the owner has read: what is before them may be committed.
    pub fn read(&self, id: AssignmentId, next: BTreeMap<Place, i64>) {
        self.tell(Input::Read(id, next));
    }

    /// Says that nothing of an assignment is read any longer.
    pub fn release(&self, id: AssignmentId) {
        self.tell(Input::Released(id));
    }

    /// Makes it leave: `Notice::Left` comes at the end.
    pub fn stop(&self) {
        self.tell(Input::Stop);
    }

    pub fn stopper(&self) -> Stopper {
        Stopper { inputs: self.inputs.clone(), has_ended: Arc::clone(&self.has_ended) }
    }

    fn tell(&self, input: Input) {
        // A member that has ended listens no more, and its owner has heard why.
        let _ = self.inputs.send(input);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Stopper {
    pub fn stop(&self) {
        let _ = self.inputs.send(Input::Stop);
    }

    /// Whether the member has left, or failed.
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }
}

fn run(mut member: Member, mut calls: Calls, inputs: &Receiver<Input>, notices: &Sender<Notice>) {
    let begun = Stopwatch::start();
    while !member.has_ended() {
        let wake_at = member.wake_at().map(|at| at.saturating_sub(begun.elapsed()));
        match inputs.recv_timeout(wake_at.unwrap_or(LONGEST_WAIT)) {
            Ok(Input::Read(id, next)) => member.handle_read(id, next),
            Ok(Input::Released(id)) => member.handle_released(id),
            Ok(Input::Stop) => member.handle_stop(begun.elapsed()),
            Ok(Input::Answered(asked, answer)) => {
                calls.take(asked);
                member.handle_answer(begun.elapsed(), asked, answer);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while let Some(action) = member.poll(begun.elapsed()) {
            match action {
                // An owner that is gone needs no notices; the member leaves for it.
                Action::Tell(notice) => drop(notices.send(notice)),
                Action::Ask(asked, request) => calls.ask(asked, request),
            }
        }
    }
}

/// Threads that ask for the member. One is enough unless its answer is waited for no more.
struct Calls {
    settings: GroupSettings,
    bootstrap: Vec<String>,
    known: Vec<String>,
    answers: Sender<Input>,
    caller: Option<Sender<(Asked, Request)>>,
    waits_for: Option<Asked>,
}

impl Calls {
    fn ask(&mut self, asked: Asked, request: Request) {
        if self.waits_for.replace(asked).is_some() {
            self.caller = None;
        }
        let unsent = match &self.caller {
            Some(caller) => match caller.send((asked, request)) {
                Ok(()) => return,
                Err(unsent) => unsent.0,
            },
            None => (asked, request),
        };
        match self.begin() {
            Ok(caller) => {
                // Its thread listens until this end is dropped.
                let _ = caller.send(unsent);
                self.caller = Some(caller);
            }
            Err(failure) => {
                let _ = self.answers.send(Input::Answered(asked, Answer::Unusable(failure)));
            }
        }
    }

    fn take(&mut self, asked: Asked) {
        self.waits_for.take_if(|waiting| *waiting == asked);
    }

    fn begin(&self) -> Result<Sender<(Asked, Request)>, ClientError> {
        let (requests, asked) = channel::<(Asked, Request)>();
        let answers = self.answers.clone();
        let mut caller = Caller::new(self.settings.clone(), self.bootstrap.clone(), self.known.clone());
        spawn("group-calls", move || {
            while let Ok((number, request)) = asked.recv() {
                let answer = caller.ask(&request);
                if answers.send(Input::Answered(number, answer)).is_err() {
                    return;
                }
            }
        })?;
        Ok(requests)
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), ClientError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    thread.map(drop).map_err(ClientError::io("starting a thread"))
}

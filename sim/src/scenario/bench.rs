//! A machine whose engine goes through a scenario, and the ledger that outlives its crashes.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use millrace_rt::{Gate, Seat};
use millrace_shard::{Engine, OpenError, Shard};

use super::life::{Ending, Life, Lives, run_lives};
use crate::case::{Case, Outcome};
use crate::ledger::{Ledger, Verdict};
use crate::machine::{End, Machine, Progress};
use crate::trial::Trial;

/// What goes on in a machine: all that one scenario does not share with the others.
pub(crate) trait Scenario: Sized {
    /// What is sent, the same in each case.
    type Plan;
    type Ledger: Ledger + 'static;
    type Duty: Duty;
    /// What the shards of one boot share.
    type Serve: Serve;

    /// Keys of the broker's configuration.
    const KEYS: &'static [(&'static str, &'static str)] = &[];

    fn seed(plan: &Self::Plan) -> u64;
    fn ledger(plan: &Rc<Self::Plan>) -> Self::Ledger;
    fn serve(boot: Boot<Self>) -> Self::Serve;
    /// Judges what a boot left that ended cleanly.
    fn stopped(machine: &Machine, ledger: &mut Self::Ledger);
}

/// What one boot is to do.
pub(crate) trait Duty: Copy {
    fn of(life: Life) -> Self;
    fn shards(self) -> u16;
}

/// Whoever goes by the life itself.
impl Duty for Life {
    fn of(life: Life) -> Life {
        life
    }

    fn shards(self) -> u16 {
        self.shards
    }
}

/// What runs on the shards of one boot.
pub(crate) trait Serve: Clone + 'static {
    /// The main future of one shard.
    fn serve(self, seat: Seat) -> impl Future<Output = ()> + 'static;
}

/// What one boot is made of.
pub(crate) struct Boot<S: Scenario> {
    pub(crate) duty: S::Duty,
    pub(crate) trial: Trial,
    pub(crate) ledger: Rc<RefCell<S::Ledger>>,
    pub(crate) engine: Engine,
    pub(crate) progress: Rc<Progress>,
}

/// A machine, and what is known outside of it.
pub(crate) struct Bench<S: Scenario> {
    pub(crate) machine: Machine,
    pub(crate) ledger: Rc<RefCell<S::Ledger>>,
    /// Appends that were refused for want of space.
    refusals: u64,
    /// Written to the journals of boots that ended cleanly.
    journal_bytes: u64,
}

/// Runs one case of a plan to its end.
pub(crate) fn run<S: Scenario>(plan: &Rc<S::Plan>, case: &Case) -> Outcome {
    let mut machine = Machine::new(S::seed(plan), case.fault, case.planted);
    machine.limit_memory(case.memory_bytes);
    machine.suffer(case.between);
    machine.place_topics(case.topics_on);
    machine.configure(S::KEYS);
    run_lives(&mut Bench::<S>::new(plan, machine), case)
}

impl<S: Scenario> Bench<S> {
    pub(crate) fn new(plan: &Rc<S::Plan>, machine: Machine) -> Bench<S> {
        let ledger = Rc::new(RefCell::new(S::ledger(plan)));
        Bench { machine, ledger, refusals: 0, journal_bytes: 0 }
    }

    /// Boots the node and runs it until it has closed or crashed.
    pub(crate) fn boot(&mut self, duty: S::Duty, trial: Trial) -> End {
        let progress: Rc<Progress> = Rc::default();
        let (ledger, shared) = (Rc::clone(&self.ledger), Rc::clone(&progress));
        let end = self.machine.boot(duty.shards(), trial, &progress, move |engine| {
            let served = S::serve(Boot { duty, trial, ledger, engine, progress: shared });
            move |seat| served.clone().serve(seat)
        });
        self.refusals += progress.refusals();
        self.journal_bytes += progress.journal_bytes();
        if let End::Crashed(fall) = &end {
            let mut ledger = self.ledger.borrow_mut();
            ledger.verdict().violations.extend(fall.violation.clone());
            ledger.crashed(fall.kind);
        }
        end
    }
}

impl<S: Scenario> Lives for Bench<S> {
    fn disk_operations(&self) -> u64 {
        self.machine.operations()
    }

    fn live(&mut self, life: Life, trial: Trial) -> Ending {
        match self.boot(S::Duty::of(life), trial) {
            End::Closed => {
                S::stopped(&self.machine, &mut self.ledger.borrow_mut());
                Ending::Clean
            }
            // A start needs room for its journals; with space it comes up.
            End::NotOpened(OpenError::Io { .. }) if trial.may_not_open() => Ending::NotOpened,
            End::NotOpened(error) => {
                let mut ledger = self.ledger.borrow_mut();
                ledger.verdict().violations.push(format!("the node did not open: {error}"));
                Ending::Over
            }
            End::Refused => Ending::Over,
            End::Crashed(_) => Ending::Crashed,
        }
    }

    fn keeps_its_promises(&self) -> bool {
        self.ledger.borrow_mut().verdict().violations.is_empty()
    }

    fn outcome(&self, crashes: usize, operations: Vec<u64>) -> Outcome {
        let Verdict { violations, acknowledgements } = self.ledger.borrow_mut().verdict().clone();
        Outcome {
            violations,
            crashes,
            operations,
            looks: self.machine.looks(),
            has_refused: self.machine.has_refused(),
            refusals: self.refusals,
            journal_bytes: self.journal_bytes,
            acknowledgements,
            trace: self.machine.world.trace().to_vec(),
        }
    }
}

/// Serves a shard of a node whose first one does everything, through the service surface;
/// the others wait for its end.
pub(crate) async fn serve_behind_the_first(
    seat: Seat,
    engine: &Engine,
    progress: &Progress,
    stop: &Gate,
    lead: impl AsyncFnOnce(&Shard),
) {
    let Some(shard) = progress.open(engine, seat).await else { return };
    if seat.shard == 0 {
        lead(&shard).await;
        stop.open();
    }
    stop.wait().await;
    shard.close().await;
    progress.shard_closed();
}

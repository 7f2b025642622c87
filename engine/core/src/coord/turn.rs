//! What a machine has at hand while it handles one event.

use super::action::Action;
use super::answer::Answer;
use super::deadlines::{Deadlines, Fired, Subject, Timer};
use super::ids::{MonotonicMs, Now, Token};
use super::record::CoordinatorRecord;
use super::settings::GroupSettings;
use super::tally::GroupTally;
use super::writing::purpose::WritePurpose;
use super::writing::writes::Writes;

/// The time of an event, the settings, and where its consequences go.
pub(super) struct Turn<'a> {
    pub(super) now: Now,
    pub(super) settings: &'a GroupSettings,
    pub(super) deadlines: &'a mut Deadlines,
    pub(super) writes: &'a mut Writes,
    pub(super) tally: &'a mut GroupTally,
    /// Memory that groups may still take.
    pub(super) free_bytes: usize,
    pub(super) actions: &'a mut Vec<Action>,
}

impl Turn<'_> {
    /// Whether groups may take so much more.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= self.free_bytes
    }

    pub(super) fn reply(&mut self, token: Token, answer: Answer) {
        self.actions.push(Action::Reply { token, answer });
    }

    pub(super) fn write(
        &mut self,
        records: Vec<CoordinatorRecord>,
        purpose: WritePurpose,
        reply: Option<(Token, Answer)>,
    ) {
        self.writes.ask(records, purpose, reply, self.actions);
    }

    /// Lets a timer fire in `ms`.
    pub(super) fn arm(&mut self, timer: &mut Timer, ms: i32, subject: impl FnOnce() -> Subject) {
        self.deadlines.arm(timer, self.now.clock.after_ms(ms), subject);
    }

    /// Whether the timer's entry that was queued for `at` means that it fires.
    pub(super) fn fired(
        &mut self,
        timer: &mut Timer,
        at: MonotonicMs,
        subject: impl FnOnce() -> Subject,
    ) -> Fired {
        self.deadlines.fired(timer, at, self.now.clock, subject)
    }
}

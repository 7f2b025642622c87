//! What one group has changed and the log does not hold yet, a write at a time.

use std::collections::VecDeque;

use super::purpose::WritePurpose;
use crate::coord::answer::Answer;
use crate::coord::ids::Token;
use crate::coord::record::CoordinatorRecord;

/// Changes that were made together: with them, and all steps before, the log shows the group as it once was.
#[derive(Debug, Clone)]
pub(in crate::coord) struct Step {
    pub(in crate::coord) records: Vec<CoordinatorRecord>,
    pub(in crate::coord) purpose: WritePurpose,
    /// Who is told when it is in the log.
    pub(in crate::coord) replies: Vec<(Token, Answer)>,
}

/// What fails with a write of a lane that is to be asked for again.
#[derive(Debug, Default)]
pub(in crate::coord) struct Fallen {
    /// Of steps behind it that had not come about.
    pub(in crate::coord) purposes: Vec<WritePurpose>,
    /// Who waited for steps behind it.
    pub(in crate::coord) replies: Vec<(Token, Answer)>,
}

/// The steps of one consumer group, and of the classic group that it may have become while some were still to
/// be written. Always: steps come into the log in the order in which they were made, none without those
/// before it that are owed. So a crash never finds a partition that was taken from one member and given to
/// another as both their own, nor a group as it was behind what it became, whatever write failed; and what a
/// failed write was to bring about comes about with the next that does not.
/// Only a record that is larger than a batch may be is given up.
#[derive(Debug, Clone, Default)]
pub(in crate::coord) struct Lane {
    /// Behind the write under way, oldest first.
    steps: VecDeque<Step>,
    flow: Flow,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Flow {
    #[default]
    Idle,
    UnderWay,
    /// The last write failed; it has not been asked for again.
    Failed,
    /// It has.
    Again,
}

/// Steps that were made while a write was under way are written together, up to this many records: far less
/// than the largest batch. A step of more goes alone.
const RECORDS_TOGETHER_MAX: usize = 500;

impl Lane {
    pub(in crate::coord) fn push(&mut self, step: Step) {
        self.steps.push_back(step);
    }

    /// The step that will be written last, unless that is under way.
    pub(in crate::coord) fn newest(&mut self) -> Option<&mut Step> {
        self.steps.back_mut()
    }

    /// What is to be written now, and where each of its steps ends. Behind a write that failed steps go one
    /// by one: it may have been too large.
    pub(in crate::coord) fn begin(&mut self) -> Option<(Step, Vec<usize>)> {
        self.flow = match self.flow {
            Flow::UnderWay | Flow::Again => return None,
            Flow::Failed => Flow::Again,
            Flow::Idle => Flow::UnderWay,
        };
        let Some(mut together) = self.steps.pop_front() else {
            self.flow = Flow::Idle;
            return None;
        };
        let mut ends = vec![together.records.len()];
        let may_grow = self.flow == Flow::UnderWay && together.purpose.is_owed();
        while may_grow
            && let Some(step) = self.steps.pop_front_if(|step| {
                let records = together.records.len() + step.records.len();
                step.purpose.is_owed() && records <= RECORDS_TOGETHER_MAX
            })
        {
            together.records.extend(step.records);
            together.replies.extend(step.replies);
            ends.push(together.records.len());
        }
        Some((together, ends))
    }

    /// The write under way is in the log, or failed and owes it nothing.
    pub(in crate::coord) fn ended(&mut self) {
        self.flow = match self.flow {
            // Until the last of them is written.
            Flow::Again if !self.steps.is_empty() => Flow::Failed,
            _ => Flow::Idle,
        };
    }

    /// The write under way failed; its steps, all of them owed, go before all others again.
    /// Answers what fails with it.
    pub(in crate::coord) fn failed(
        &mut self,
        records: &[CoordinatorRecord],
        ends: &[usize],
        purpose: &WritePurpose,
    ) -> Fallen {
        let replies = self.take_replies();
        let (owed, fallen): (VecDeque<Step>, VecDeque<Step>) =
            self.steps.drain(..).partition(|step| step.purpose.is_owed());
        self.steps = owed;
        self.put_back(records, ends, purpose);
        self.flow = Flow::Failed;
        Fallen { purposes: fallen.into_iter().map(|step| step.purpose).collect(), replies }
    }

    /// The write under way is larger than a batch may be: its steps go one by one, or its one step in two
    /// parts, before all others. A crash between the parts of a step finds the first of them only. Who waits
    /// is answered when the last is in the log.
    pub(in crate::coord) fn part(&mut self, write: Step, ends: &[usize]) {
        let Step { records, purpose, replies } = write;
        let ends = match ends {
            [end] => vec![end / 2, *end],
            ends => ends.to_vec(),
        };
        self.put_back(&records, &ends, &purpose);
        if let Some(last) = self.steps.get_mut(ends.len() - 1) {
            last.replies = replies;
        }
        self.flow = Flow::Failed;
    }

    fn put_back(&mut self, records: &[CoordinatorRecord], ends: &[usize], purpose: &WritePurpose) {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let steps: Vec<&[CoordinatorRecord]> =
            starts.zip(ends).filter_map(|(start, end)| records.get(start..*end)).collect();
        for records in steps.into_iter().rev() {
            let (records, purpose) = (records.to_vec(), purpose.clone());
            self.steps.push_front(Step { records, purpose, replies: Vec::new() });
        }
    }

    pub(in crate::coord) fn take_replies(&mut self) -> Vec<(Token, Answer)> {
        self.steps.iter_mut().flat_map(|step| std::mem::take(&mut step.replies)).collect()
    }

    pub(in crate::coord) fn is_idle(&self) -> bool {
        self.flow == Flow::Idle && self.steps.is_empty()
    }

    /// Whether a write failed and not all of what it left has come into the log since.
    pub(in crate::coord) fn is_stalled(&self) -> bool {
        matches!(self.flow, Flow::Failed | Flow::Again)
    }
}

//! A value that a node was asked to have: what it answered stands, and what was asked for since may.

#[derive(Default)]
pub(crate) struct Promise<T> {
    answered: T,
    /// Asked for since, and not answered.
    asked: Option<T>,
}

impl<T: Clone + PartialEq> Promise<T> {
    pub(crate) fn of(answered: T) -> Promise<T> {
        Promise { answered, asked: None }
    }

    pub(crate) fn answered(&self) -> &T {
        &self.answered
    }

    pub(crate) fn ask(&mut self, value: T) {
        self.asked = Some(value);
    }

    /// What was asked for last is answered.
    pub(crate) fn answer(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.answered = asked;
        }
    }

    /// Whether what a node has after a start is one of both; if not, what it should be.
    /// What is there counts from then on.
    pub(crate) fn audit(&mut self, found: T) -> Result<(), T> {
        let is_kept = found == self.answered || Some(&found) == self.asked.as_ref();
        let promised = std::mem::replace(self, Promise::of(found)).answered;
        if is_kept { Ok(()) } else { Err(promised) }
    }
}

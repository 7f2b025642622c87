//! The assignors that a broker offers, by name.

/// An assignor that `group.consumer.assignors` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// As many partitions for each member as for the others, and no more of them moved than that takes.
    Uniform,
    /// Of each topic a range of partitions; members find the same numbers in topics of as many partitions.
    Range,
}

impl Assignor {
    /// The names that `group.consumer.assignors` and clients use.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// `None` for names of classes, which Kafka would load.
    pub fn of_name(name: &str) -> Option<Assignor> {
        [Assignor::Uniform, Assignor::Range].into_iter().find(|assignor| assignor.name() == name)
    }
}

//! Bytes in some time, and what a process paid for them.

/// Bytes of values, unless said otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    /// Processor seconds.
    pub(crate) cpu: f64,
}

impl Flow {
    /// In units of 10^6 bytes.
    pub(crate) fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.seconds
    }

    /// Of 10^9 bytes.
    pub(crate) fn cpu_per_gigabyte(&self) -> f64 {
        self.cpu / (self.bytes as f64 / 1e9)
    }
}

/// The middle of the values, or between the two in the middle; not a number if there are none.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_costs_are_per_ten_to_the_power() {
        let flow = Flow { bytes: 500_000_000, seconds: 2.0, cpu: 1.5 };
        assert_eq!((flow.megabytes_per_second(), flow.cpu_per_gigabyte()), (250.0, 3.0));
    }

    #[test]
    fn medians() {
        assert_eq!([median([3.0]), median([9.0, 1.0, 2.0]), median([1.0, 2.0])], [3.0, 2.0, 1.5]);
        assert!(median([]).is_nan());
    }
}

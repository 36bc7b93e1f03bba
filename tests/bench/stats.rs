//! Times of one contestant in one measure, and what is said about them.

use serde::Serialize;

/// What was seen, round by round.
#[derive(Debug, Default)]
pub struct Sample {
    /// In microseconds. Differences of times may be negative.
    times: Vec<f64>,
    failures: usize,
    in_a_row: usize,
    first_failure: Option<String>,
}

/// A sample in numbers; times in microseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Rounds that ended well: the only ones the times are of.
    pub runs: usize,
    /// Rounds that did not.
    pub failures: usize,
    /// What the first failure said.
    pub first_failure: Option<String>,
    /// The fastest.
    pub min_us: Option<f64>,
    /// One tenth is faster.
    pub p10_us: Option<f64>,
    /// Half is faster.
    pub median_us: Option<f64>,
    /// One tenth is slower.
    pub p90_us: Option<f64>,
}

impl Sample {
    /// Adds one round, in microseconds.
    pub fn add(&mut self, result: Result<f64, String>) {
        match result {
            Ok(time) => {
                self.times.push(time);
                self.in_a_row = 0;
            }
            Err(text) => {
                self.failures += 1;
                self.in_a_row += 1;
                self.first_failure.get_or_insert(text);
            }
        }
    }

    /// Whether it has failed so often in a row that further rounds would only take time from the others.
    pub fn is_hopeless(&self) -> bool {
        self.in_a_row >= 3
    }

    /// The numbers.
    pub fn summary(mut self) -> Summary {
        self.times.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| quantile(&self.times, share);
        Summary {
            runs: self.times.len(),
            failures: self.failures,
            min_us: at(0.0),
            p10_us: at(0.1),
            median_us: at(0.5),
            p90_us: at(0.9),
            first_failure: self.first_failure,
        }
    }
}

/// Half of them are less. None if there are none.
pub fn median(mut times: Vec<f64>) -> Option<f64> {
    times.sort_unstable_by(f64::total_cmp);
    quantile(&times, 0.5)
}

/// Linear interpolation between the two nearest ranks.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = share * last as f64;
    let (low, high) = (*sorted.get(rank.floor() as usize)?, *sorted.get(rank.ceil() as usize)?);
    Some(low + (high - low) * rank.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_even_count_lies_between_the_middle_two() {
        let mut sample = Sample::default();
        for us in [4000.0, -1000.0, 3000.0, 2000.0] {
            sample.add(Ok(us));
        }
        let summary = sample.summary();
        assert_eq!(summary.median_us, Some(2500.0));
        assert_eq!(summary.min_us, Some(-1000.0));
    }

    #[test]
    fn failures_are_counted_apart_and_the_first_is_kept() {
        let mut sample = Sample::default();
        sample.add(Err("one".into()));
        sample.add(Err("two".into()));
        assert!(!sample.is_hopeless());
        sample.add(Err("three".into()));
        assert!(sample.is_hopeless());
        let summary = sample.summary();
        assert_eq!((summary.runs, summary.failures, summary.median_us), (0, 3, None));
        assert_eq!(summary.first_failure.as_deref(), Some("one"));
    }
}

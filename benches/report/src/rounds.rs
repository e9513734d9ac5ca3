//! Rounds: ours and the peers take turns, so that whatever else the machine does hits
//! all of them alike.
//!
//! A round runs each contender once, and each round starts with another one. Figures
//! are medians over rounds; a ratio is the median of the ratios of single rounds, not
//! the ratio of medians.

use crate::Outcome;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Time.
    Nanos,
    /// Room.
    Bytes,
    /// Rate.
    PerSecond,
    /// Things.
    Count,
}

/// The values of one figure, one per round.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Whose they are.
    pub of: String,
    /// What they count.
    pub unit: Unit,
    values: Vec<f64>,
}

impl Samples {
    /// The values of rounds, in their order.
    pub fn new(of: impl Into<String>, unit: Unit, values: Vec<f64>) -> Self {
        let of = of.into();
        Samples { of, unit, values }
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        median(self.values.clone())
    }

    /// The lowest.
    pub fn lowest(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The highest.
    pub fn highest(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }

    /// Whether there was no round at all.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether there was but one round.
    pub fn is_single(&self) -> bool {
        self.values.len() < 2
    }

    /// The median of the ratios of rounds. Rounds that the other lacks (it was too slow
    /// for as many) are compared with its median.
    pub fn over(&self, other: &Samples) -> f64 {
        let rest = other.median();
        let others = other.values.iter().copied().chain(std::iter::repeat(rest));
        median(self.values.iter().zip(others).map(|(a, b)| a / b).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

/// The value that so large a share of these does not exceed.
pub fn quantile(sorted: &[u64], share: f64) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        n => sorted[((n as f64 * share).ceil() as usize).clamp(1, n) - 1] as f64,
    }
}

/// One of those that are compared: a name, and what it does in a round.
pub struct Contender<'c> {
    name: String,
    figures: &'static [(&'static str, Unit)],
    run: Box<dyn FnMut() -> Outcome<Vec<f64>> + 'c>,
}

impl<'c> Contender<'c> {
    /// A round of this one yields one figure.
    pub fn new(name: impl Into<String>, mut run: impl FnMut() -> Outcome<f64> + 'c) -> Self {
        Contender::with_figures(name, &[("", Unit::Nanos)], move || Ok(vec![run()?]))
    }

    /// A round of this one yields several figures.
    pub fn with_figures(
        name: impl Into<String>,
        figures: &'static [(&'static str, Unit)],
        run: impl FnMut() -> Outcome<Vec<f64>> + 'c,
    ) -> Self {
        let (name, run) = (name.into(), Box::new(run));
        Contender { name, figures, run }
    }
}

/// Lets all contenders run so many rounds. The answer has, per contender, the samples
/// of each of its figures.
///
/// # Errors
/// The first error of a contender, with its name.
pub fn alternate(rounds: usize, contenders: &mut [Contender<'_>]) -> Outcome<Vec<Vec<Samples>>> {
    let count = contenders.len();
    let mut rows: Vec<Vec<Vec<f64>>> = vec![Vec::new(); count];
    for round in 0..rounds {
        for turn in 0..count {
            let number = (round + turn) % count;
            let contender = &mut contenders[number];
            let figures = (contender.run)().map_err(|e| format!("{}: {e}", contender.name))?;
            rows[number].push(figures);
        }
    }
    let samples = contenders.iter().zip(rows).map(|(contender, rows)| {
        let figures = contender.figures.iter().enumerate();
        let of_figure = figures.map(|(place, (figure, unit))| {
            let of = match figure.is_empty() {
                true => contender.name.clone(),
                false => format!("{}, {figure}", contender.name),
            };
            Samples::new(of, *unit, rows.iter().map(|row| row[place]).collect())
        });
        of_figure.collect()
    });
    Ok(samples.collect())
}

/// As [`alternate`], for contenders that yield one figure each.
///
/// # Errors
/// The first error of a contender, with its name.
pub fn alternate_one(rounds: usize, contenders: &mut [Contender<'_>]) -> Outcome<Vec<Samples>> {
    let all = alternate(rounds, contenders)?;
    Ok(all.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        let ours = Samples::new("ours", Unit::Nanos, vec![1.0, 10.0, 2.0]);
        let peer = Samples::new("peer", Unit::Nanos, vec![2.0, 20.0, 4.0]);
        assert_eq!(ours.over(&peer), 0.5);
        assert_eq!(ours.median(), 2.0);
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let sorted: Vec<u64> = (1..=1_000).collect();
        assert_eq!(quantile(&sorted, 0.5), 500.0);
        assert_eq!(quantile(&sorted, 0.999), 999.0);
        assert_eq!(quantile(&sorted, 1.0), 1_000.0);
    }

    #[test]
    fn every_contender_runs_in_every_round() {
        let mut contenders = [
            Contender::new("a", || Ok(1.0)),
            Contender::new("b", || Ok(2.0)),
        ];
        let samples = alternate_one(4, &mut contenders).unwrap();
        let seen: Vec<_> = samples
            .iter()
            .map(|s| (&s.of[..], s.values.len()))
            .collect();
        assert_eq!(seen, [("a", 4), ("b", 4)]);
    }
}

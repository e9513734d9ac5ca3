//! All servers that are compared, alive at the same time: an idle one costs the others
//! nothing, and so they can take turns event by event.
//!
//! One that cannot be had is left out, one that breaks is left out of the rest of its
//! row, and the report says why.

mod contender;
mod kit;

use contender::is_real_time_allowed;
pub(crate) use contender::{Contender, Name};
use distributary_bench_report::{
    child::{CLIENT_CORE, SERVER_CORE},
    rounds::{Samples, Unit},
};
use kit::Kit;

use crate::Outcome;

pub(crate) struct Fleet {
    kit: Kit,
    running: Vec<Contender>,
    row: &'static str,
    /// Left out of the rest of this row.
    out: Vec<Name>,
    /// Who was left out of which row, and why.
    told: Vec<String>,
}

impl Fleet {
    pub(crate) fn new() -> Outcome<Self> {
        Ok(Fleet {
            kit: Kit::new()?,
            running: Vec::new(),
            row: "",
            out: Vec::new(),
            told: Vec::new(),
        })
    }

    /// From now on it is about this row.
    pub(crate) fn begin_row(&mut self, row: &'static str) {
        self.row = row;
        self.out.clear();
    }

    /// Starts those that do not run yet.
    fn start(&mut self, names: &[Name]) {
        for &name in names {
            let runs = self.running.iter().any(|contender| contender.name == name);
            if runs || self.out.contains(&name) {
                continue;
            }
            match Contender::start(name, &self.kit) {
                Ok(contender) => self.running.push(contender),
                Err(error) => self.leave_out(name, &error.to_string()),
            }
        }
    }

    /// Ends all of them.
    pub(crate) fn end(&mut self) {
        self.running.clear();
    }

    /// Lets these take turns: each round begins with another one. The answer has, for
    /// each of these and for each of its figures, the values of all rounds; none for one
    /// that did not run.
    pub(crate) fn alternate(
        &mut self,
        names: &[Name],
        rounds: usize,
        figures: &[Unit],
        mut run: impl FnMut(&mut Contender) -> Outcome<Vec<f64>>,
    ) -> Figures {
        self.start(names);
        let mut values = vec![vec![Vec::new(); figures.len()]; names.len()];
        for round in 0..rounds {
            for turn in 0..names.len() {
                let place = (round + turn) % names.len();
                let name = names[place];
                let running = self.running.iter_mut().find(|running| running.name == name);
                match running.map(&mut run) {
                    None => {}
                    Some(Ok(row)) => {
                        let columns = values[place].iter_mut();
                        columns
                            .zip(row)
                            .for_each(|(column, value)| column.push(value));
                    }
                    Some(Err(error)) => self.leave_out(name, &error.to_string()),
                }
            }
        }
        let of_name = |(name, columns): (&Name, Vec<Vec<f64>>)| {
            let columns = columns.into_iter().zip(figures);
            let samples = columns.map(|(values, unit)| Samples::new(name.told(), *unit, values));
            (*name, samples.collect())
        };
        Figures(names.iter().zip(values).map(of_name).collect())
    }

    /// What the figures depend on, for the head of the report.
    pub(crate) fn conditions(&self) -> Vec<(&'static str, String)> {
        let priority = match is_real_time_allowed() {
            true => "real-time",
            false => "normal: it shares the core with the load generator as an equal",
        };
        let mut more = vec![
            ("peers", self.kit.versions().join(", ")),
            ("servers", format!("core {SERVER_CORE}")),
            ("load generator, probe", format!("core {CLIENT_CORE}")),
            ("priority of the probe", priority.to_owned()),
        ];
        if !self.told.is_empty() {
            more.push(("not run", self.told.join("; ")));
        }
        more
    }

    fn leave_out(&mut self, name: Name, why: &str) {
        let told = format!("{}: {}: {why}", self.row, name.told());
        eprintln!("left out of {told}");
        self.running.retain(|running| running.name != name);
        self.out.push(name);
        self.told.push(told);
    }
}

/// The figures of those that took turns.
pub(crate) struct Figures(Vec<(Name, Vec<Samples>)>);

impl Figures {
    /// Of all these together.
    pub(crate) fn joined(all: impl Iterator<Item = Figures>) -> Self {
        Figures(all.flat_map(|figures| figures.0).collect())
    }

    /// A figure of ours; without a value if we did not run.
    pub(crate) fn ours(&self, figure: usize) -> &Samples {
        &self
            .0
            .iter()
            .find(|(name, _)| *name == Name::Distributary)
            .unwrap_or(&self.0[0])
            .1[figure]
    }

    /// A figure of each peer that ran.
    pub(crate) fn peers(&self, figure: usize) -> impl Iterator<Item = (Name, &Samples)> {
        let peers = self
            .0
            .iter()
            .filter(|(name, _)| *name != Name::Distributary);
        peers
            .map(move |(name, samples)| (*name, &samples[figure]))
            .filter(|(_, samples)| !samples.is_empty())
    }
}

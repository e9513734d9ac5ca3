//! What was measured, as Markdown.

use std::{fmt::Write, time::Duration};

use crate::{
    Outcome,
    rounds::{Samples, Unit},
};

/// What a figure has to be.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// Ours over the peer's, at most.
    RatioAtMost(f64),
    /// Ours over the other's, at least.
    RatioAtLeast(f64),
    /// Ours itself, at most.
    AtMost(f64),
    /// Ours itself, at least.
    AtLeast(f64),
}

/// One line of the table.
#[derive(Debug)]
#[must_use]
pub struct Line {
    what: String,
    ours: Samples,
    peer: Option<Samples>,
    target: Option<Target>,
    note: String,
    obstacle: &'static str,
}

impl Line {
    /// This is what ours comes to.
    pub fn new(what: impl Into<String>, ours: &Samples) -> Self {
        Line {
            what: what.into(),
            ours: ours.clone(),
            peer: None,
            target: None,
            note: String::new(),
            obstacle: "",
        }
    }

    /// Beside this peer.
    pub fn against(mut self, peer: &Samples) -> Self {
        self.peer = Some(peer.clone());
        self
    }

    /// It has to be like this.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// What a reader should know, whether or not the target was reached.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// What stands in the way, told when the target is missed.
    pub fn if_missed(mut self, obstacle: &'static str) -> Self {
        self.obstacle = obstacle;
        self
    }

    fn ratio(&self) -> Option<f64> {
        let peer = self.peer.as_ref()?;
        let both = !self.ours.is_empty() && !peer.is_empty();
        both.then(|| self.ours.over(peer))
    }

    fn is_reached(&self) -> Option<bool> {
        let ratio = self.ratio().unwrap_or(f64::NAN);
        Some(match self.target? {
            Target::RatioAtMost(most) => ratio <= most,
            Target::RatioAtLeast(least) => ratio >= least,
            Target::AtMost(most) => self.ours.median() <= most,
            Target::AtLeast(least) => self.ours.median() >= least,
        })
    }

    fn render(&self) -> String {
        let unit = self.ours.unit;
        let target = match self.target {
            None => String::new(),
            Some(Target::RatioAtMost(most)) => format!("ratio ≤ {}", plain(most)),
            Some(Target::RatioAtLeast(least)) => format!("ratio ≥ {}", plain(least)),
            Some(Target::AtMost(most)) => format!("≤ {}", figure(most, unit)),
            Some(Target::AtLeast(least)) => format!("≥ {}", figure(least, unit)),
        };
        let peer = self.peer.as_ref().map_or(String::new(), |peer| {
            format!("{}: {}", peer.of, with_spread(peer))
        });
        let ratio = self.ratio().map_or(String::new(), plain);
        let (reached, note) = match self.is_reached() {
            None => ("", &*self.note),
            Some(true) => ("yes", &*self.note),
            Some(false) if self.obstacle.is_empty() => ("**no**", &*self.note),
            Some(false) => ("**no**", self.obstacle),
        };
        format!(
            "| {} | {} | {peer} | {ratio} | {target} | {reached} | {} |",
            self.what,
            with_spread(&self.ours),
            note
        )
    }
}

/// A row as it stands in the report.
#[derive(Debug, PartialEq)]
pub struct Section {
    reached: usize,
    missed: Vec<String>,
    /// A heading, the question, the table.
    pub markdown: String,
}

impl Section {
    /// The row of this name, the question that it answers, and its lines.
    pub fn new(name: &str, question: &str, lines: &[Line]) -> Self {
        let mut markdown = format!("## {name}\n\n{question}\n\n");
        markdown.push_str("| what | ours | peer | ratio | target | reached | note |\n");
        markdown.push_str("|---|---|---|---|---|---|---|\n");
        let (mut reached, mut missed) = (0, Vec::new());
        for line in lines {
            let _ = writeln!(markdown, "{}", line.render());
            match line.is_reached() {
                None => {}
                Some(true) => reached += 1,
                Some(false) => missed.push(format!("{name}: {}", line.what)),
            }
        }
        Section {
            reached,
            missed,
            markdown,
        }
    }

    /// As a child hands it to its parent: what was reached, what was missed, the rest.
    pub fn to_text(&self) -> String {
        let missed: String = self
            .missed
            .iter()
            .map(|missed| format!("{missed}\n"))
            .collect();
        format!("{}\n{missed}\n{}", self.reached, self.markdown)
    }

    /// What [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    /// When the text is something else.
    pub fn from_text(text: &str) -> Outcome<Self> {
        let (head, markdown) = text.split_once("\n\n").ok_or("a section without a table")?;
        let mut head = head.lines();
        let reached = head.next().ok_or("a section without a count")?;
        Ok(Section {
            reached: reached.parse()?,
            missed: head.map(str::to_owned).collect(),
            markdown: markdown.to_owned(),
        })
    }
}

/// The whole report: a description of the machine, how long it took, the rows.
pub fn render(machine: &str, took: Duration, sections: &[Section]) -> String {
    let reached: usize = sections.iter().map(|section| section.reached).sum();
    let missed: Vec<&String> = sections
        .iter()
        .flat_map(|section| &section.missed)
        .collect();
    let targets = reached + missed.len();
    let mut text = String::from("# Results\n\n");
    let _ = writeln!(text, "{machine}| run | {} s |\n", took.as_secs());
    let _ = writeln!(text, "{reached} of {targets} targets reached.");
    if !missed.is_empty() {
        text.push_str("\nMissed:\n\n");
        for missed in missed {
            let _ = writeln!(text, "- {missed}");
        }
    }
    text.push_str(
        "\nFigures are medians over alternating rounds, lowest and highest round in brackets; \
         a ratio is the median of the ratios of single rounds, ours over the peer's.\n",
    );
    for section in sections {
        let _ = write!(text, "\n{}", section.markdown);
    }
    text
}

fn with_spread(samples: &Samples) -> String {
    if samples.is_empty() {
        return "not run".to_owned();
    }
    let median = figure(samples.median(), samples.unit);
    if samples.is_single() {
        return median;
    }
    let low = figure(samples.lowest(), samples.unit);
    let high = figure(samples.highest(), samples.unit);
    format!("{median} ({low} – {high})")
}

fn figure(value: f64, unit: Unit) -> String {
    let (scales, step): (&[&str], f64) = match unit {
        Unit::Nanos => (&["ns", "µs", "ms", "s"], 1_000.0),
        Unit::Bytes => (&["B", "KiB", "MiB", "GiB"], 1_024.0),
        Unit::PerSecond => (&["/s", " k/s", " M/s"], 1_000.0),
        Unit::Count => (&[""], 1_000.0),
    };
    let mut value = value;
    let mut scale = 0;
    while value.abs() >= step && scale + 1 < scales.len() {
        value /= step;
        scale += 1;
    }
    let text = format!("{} {}", plain(value), scales[scale].trim_start());
    text.trim_end().to_owned()
}

/// A number with three significant digits.
fn plain(value: f64) -> String {
    let magnitude = value.abs();
    let digits = match magnitude {
        _ if !value.is_finite() || magnitude == 0.0 || magnitude >= 100.0 => 0,
        _ => (2.0 - magnitude.log10().floor()) as usize,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let cases = [
            (0.0001, "0.0001"),
            (0.012345, "0.0123"),
            (1.2, "1.2"),
            (12.345, "12.3"),
            (1234.5, "1234"),
        ];
        for (value, text) in cases {
            assert_eq!(plain(value), text);
        }
        assert_eq!(figure(1_500.0, Unit::Nanos), "1.5 µs");
        assert_eq!(figure(3.0 * 1_048_576.0, Unit::Bytes), "3 MiB");
    }

    #[test]
    fn a_missed_target_is_said_to_be_missed() {
        let ours = Samples::new("ours", Unit::Nanos, vec![6.0]);
        let peer = Samples::new("peer", Unit::Nanos, vec![60.0]);
        let line = Line::new("x", &ours).against(&peer);
        let reached = |target| {
            Line {
                target: Some(target),
                ..line_like(&line)
            }
            .is_reached()
        };
        assert_eq!(reached(Target::AtMost(5.0)), Some(false));
        assert_eq!(reached(Target::RatioAtMost(0.2)), Some(true));
        assert_eq!(reached(Target::RatioAtLeast(0.2)), Some(false));
        assert_eq!(reached(Target::AtLeast(6.0)), Some(true));
    }

    #[test]
    fn a_section_survives_its_way_through_a_pipe() {
        let section = Section {
            reached: 2,
            missed: vec!["row: one".to_owned(), "row: two".to_owned()],
            markdown: "## row\n\nA question?\n\n| what |\n".to_owned(),
        };
        assert_eq!(Section::from_text(&section.to_text()).unwrap(), section);
        let section = Section {
            missed: vec![],
            ..section
        };
        assert_eq!(Section::from_text(&section.to_text()).unwrap(), section);
    }

    fn line_like(line: &Line) -> Line {
        Line {
            what: line.what.clone(),
            ours: line.ours.clone(),
            peer: line.peer.clone(),
            target: None,
            note: String::new(),
            obstacle: "",
        }
    }
}

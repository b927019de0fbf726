//! Figures, their medians, and how they are printed.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::crowd::Crowd;
use crate::drive::Window;
use crate::target::Subject;

/// Prints a line on standard output; a closed pipe is nobody's loss.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a line on standard error.
pub(crate) fn warn(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "encke-bench: {line}");
}

/// Names (with their unit) and values, in the order of the table.
pub(crate) type Values = Vec<(&'static str, f64)>;

/// What one run of one subject gave.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// The server, or which floor.
    pub(crate) subject: String,
    /// What was measured.
    pub(crate) values: Values,
}

impl Figures {
    /// What a subject gave.
    pub(crate) fn of(subject: &Subject, values: Values) -> Figures {
        Figures { subject: subject.name().to_owned(), values }
    }

    /// A value by its name.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// The figures of a fan-out: rate, CPU, and the latency of one source.
pub(crate) fn of_window(crowd: &Crowd, window: &Window, source: usize) -> Values {
    let deliveries = window.delivered.max(1) as f64;
    let latency = &crowd.shared.ledger.sources[source].latency;
    let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
    let nanoseconds = window.seconds * 1e9;
    vec![
        ("deliveries_per_s", window.delivered as f64 / window.seconds),
        ("cpu_us_per_delivery", window.server.nanoseconds as f64 / 1e3 / deliveries),
        ("user_us_per_delivery", window.server.user_nanoseconds() / 1e3 / deliveries),
        ("p50_ms", milliseconds(latency.value_at_quantile(0.5))),
        ("p99_ms", milliseconds(latency.value_at_quantile(0.99))),
        ("max_ms", milliseconds(latency.max())),
        ("server_busy", window.server.nanoseconds as f64 / nanoseconds),
        ("generator_busy", window.generator as f64 / nanoseconds),
        ("lost", crowd.shared.ledger.awaited() as f64),
        ("reordered", crowd.shared.ledger.reordered as f64),
        ("stray", crowd.shared.ledger.stray as f64),
    ]
}

/// The middle of some values: of an even number, the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (length, middle) if length % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The lowest and the highest.
fn spread(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)))
}

/// All runs of one measurement.
pub(crate) struct Report {
    measure: &'static str,
    settings: String,
    as_json: bool,
    closed_loop: bool,
    first_is_base: bool,
    /// Each with its round.
    runs: Vec<(usize, Figures)>,
}

impl Report {
    /// An empty report; `settings` tells what was asked for, in words.
    pub(crate) fn new(measure: &'static str, settings: String, as_json: bool) -> Report {
        Report { measure, settings, as_json, closed_loop: false, first_is_base: false, runs: Vec::new() }
    }

    /// Says that the rate is whatever server and generator can do, so that it matters which of
    /// them was the slower one.
    pub(crate) fn closed_loop(mut self, closed_loop: bool) -> Report {
        self.closed_loop = closed_loop;
        self
    }

    /// Prints the ratio of each other subject to the first one, instead of the other way round.
    pub(crate) fn first_is_base(mut self) -> Report {
        self.first_is_base = true;
        self
    }

    /// Takes the figures of a run, and prints them at once.
    pub(crate) fn add(&mut self, round: usize, figures: Figures) {
        if self.as_json {
            let mut values: Map<String, Value> =
                figures.values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            values.insert("measure".to_owned(), json!(self.measure));
            values.insert("settings".to_owned(), json!(self.settings));
            values.insert("subject".to_owned(), json!(figures.subject));
            values.insert("round".to_owned(), json!(round));
            say(&Value::Object(values).to_string());
        } else {
            let values: Vec<String> =
                figures.values.iter().map(|(name, value)| format!("{name} {}", short(*value))).collect();
            say(&format!("  {round:>2} {:<13} {}", figures.subject, values.join("  ")));
        }
        if self.closed_loop
            && figures.get("generator_busy").is_some_and(|busy| busy > 0.97)
            && figures.get("server_busy").is_some_and(|busy| busy < 0.9)
        {
            warn("the generator was busier than the server: this rate is the generator's");
        }
        self.runs.push((round, figures));
    }

    /// Prints medians with their spread, and the ratio of the first subject to each other one:
    /// the median of the ratios within each round, so that a slow minute of the machine cancels.
    pub(crate) fn print(&self) {
        let mut subjects: Vec<&str> = Vec::new();
        for (_, run) in &self.runs {
            if !subjects.contains(&run.subject.as_str()) {
                subjects.push(&run.subject);
            }
        }
        let Some((_, first)) = self.runs.first() else { return };
        if self.as_json {
            return;
        }
        say(&format!("\n{}: {}", self.measure, self.settings));
        let pairs: Vec<(&str, &str)> = subjects[1..]
            .iter()
            .map(|other| if self.first_is_base { (*other, subjects[0]) } else { (subjects[0], *other) })
            .collect();
        let mut heading = vec!["median (low to high)".to_owned()];
        heading.extend(subjects.iter().map(|subject| (*subject).to_owned()));
        heading.extend(pairs.iter().map(|(one, base)| format!("{one}/{base}")));
        let mut rows = vec![heading];
        for (name, _) in &first.values {
            let mut row = vec![(*name).to_owned()];
            // Ticks of 10 ms make a single run's user time coarse but not wrong: only their sum tells.
            let coarse = name.starts_with("user_us");
            for subject in &subjects {
                let values = self.of(subject, name);
                row.push(if coarse {
                    format!("{} mean", short(mean(&values)))
                } else {
                    cell(&values, "", short)
                });
            }
            for (one, base) in &pairs {
                row.push(if coarse {
                    let ratio = mean(&self.of(one, name)) / mean(&self.of(base, name));
                    if ratio.is_finite() { format!("{ratio:.2}x") } else { "–".to_owned() }
                } else {
                    cell(&self.ratios(one, base, name), "x", |ratio| format!("{ratio:.2}"))
                });
            }
            rows.push(row);
        }
        for line in aligned(&rows) {
            say(&line);
        }
    }

    /// The median of a value over the rounds of a subject.
    pub(crate) fn median(&self, subject: &str, name: &str) -> f64 {
        median(&self.of(subject, name))
    }

    fn of(&self, subject: &str, name: &str) -> Vec<f64> {
        let runs = self.runs.iter().filter(|(_, run)| run.subject == subject);
        runs.filter_map(|(_, run)| run.get(name)).collect()
    }

    /// One for each round that both finished.
    fn ratios(&self, one: &str, base: &str, name: &str) -> Vec<f64> {
        let value = |subject: &str, round: usize| {
            let run = self.runs.iter().find(|(of, run)| *of == round && run.subject == subject);
            run.and_then(|(_, run)| run.get(name))
        };
        let rounds = 1..=self.runs.iter().map(|(round, _)| *round).max().unwrap_or(0);
        rounds
            .filter_map(|round| Some((value(one, round)?, value(base, round)?)))
            .filter(|(_, base)| *base != 0.0)
            .map(|(one, base)| one / base)
            .collect()
    }
}

/// A median with its spread; a dash for nothing.
fn cell(values: &[f64], unit: &str, show: impl Fn(f64) -> String) -> String {
    let (low, high) = spread(values);
    match values.len() {
        0 => "–".to_owned(),
        1 => format!("{}{unit}", show(values[0])),
        _ => format!("{}{unit} ({} to {})", show(median(values)), show(low), show(high)),
    }
}

fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| -> String {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A number with about three digits that mean something.
fn short(value: f64) -> String {
    match value.abs() {
        size if !value.is_finite() || size == 0.0 => format!("{value}"),
        size if size >= 1e6 => format!("{:.2}M", value / 1e6),
        size if size >= 1e4 => format!("{:.0}k", value / 1e3),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_nothing() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (1.0, 3.0));
        assert_eq!(mean(&[3.0, 1.0, 5.0]), 3.0);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "bbb".to_owned()], vec!["cc".to_owned(), "–".to_owned()]];
        assert_eq!(aligned(&rows), ["a   bbb", "cc  –"]);
        assert_eq!(cell(&[], "x", short), "–");
        assert_eq!(cell(&[2.0], "x", short), "2.00x");
        assert_eq!(cell(&[2.0, 1.0, 3.0], "", short), "2.00 (1.00 to 3.00)");
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let mut report = Report::new("test", String::new(), true);
        for (round, subject, value) in
            [(1, "a", 4.0), (1, "b", 2.0), (2, "a", 9.0), (3, "a", 8.0), (3, "b", 2.0)]
        {
            let figures = Figures { subject: subject.to_owned(), values: vec![("x", value)] };
            report.runs.push((round, figures));
        }
        assert_eq!(report.ratios("a", "b", "x"), [2.0, 4.0]);
        assert_eq!(report.ratios("b", "a", "x"), [0.5, 0.25]);
        assert_eq!(report.of("a", "x"), [4.0, 9.0, 8.0]);
    }

    #[test]
    fn numbers_are_short() {
        let shown: Vec<String> = [1_234_567.0, 45_678.0, 123.4, 12.34, 1.234, 0.1234, 0.0].map(short).into();
        assert_eq!(shown, ["1.23M", "46k", "123", "12.3", "1.23", "0.123", "0"]);
    }
}

//! Figures, their bounds, and how both are shown.

use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// What a figure must not exceed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    /// The median of the ratios to the bare client, turn by turn.
    Ratio(f64),
    /// The median.
    Median(f64),
    /// Every single value.
    Each(f64),
    /// Every single value must reach this: what is measured meanwhile would be easier otherwise.
    AtLeast(f64),
    /// Nothing: it is told, not judged.
    None,
}

/// One figure of one scenario, once for each turn.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) scenario: &'static str,
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) bound: Bound,
    /// Of the controller.
    pub(crate) ours: Vec<f64>,
    /// Of the bare client, turn by turn; empty if it has none.
    pub(crate) bare: Vec<f64>,
}

impl Figure {
    /// Turn by turn; none where the bare client has nothing to compare with.
    fn ratios(&self) -> Vec<f64> {
        self.ours
            .iter()
            .zip(&self.bare)
            .filter(|(_, bare)| **bare > 0.0)
            .map(|(ours, bare)| ours / bare)
            .collect()
    }

    /// Whether the bound holds; nothing if there is none.
    fn holds(&self) -> Option<bool> {
        match self.bound {
            Bound::Ratio(most) => Some(median(&self.ratios()) <= most),
            Bound::Median(most) => Some(median(&self.ours) <= most),
            Bound::Each(most) => Some(max(&self.ours) <= most),
            Bound::AtLeast(least) => Some(quantile(&self.ours, 0, 1) >= least),
            Bound::None => None,
        }
    }

    fn to_json(&self) -> Value {
        let (bound, limit) = match self.bound {
            Bound::Ratio(most) => ("median ratio", Some(most)),
            Bound::Median(most) => ("median", Some(most)),
            Bound::Each(most) => ("each", Some(most)),
            Bound::AtLeast(least) => ("each at least", Some(least)),
            Bound::None => ("none", None),
        };
        json!({
            "scenario": self.scenario, "figure": self.name, "unit": self.unit,
            "controller": self.ours, "bare": self.bare, "ratios": self.ratios(),
            "bound": bound, "limit": limit, "holds": self.holds(),
        })
    }
}

/// All figures of a run, and where it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) figures: Vec<Figure>,
    /// What else belongs to the run, for the record.
    pub(crate) about: Value,
}

impl Report {
    /// How many figures are out of their bounds.
    pub(crate) fn out_of_bounds(&self) -> usize {
        self.figures.iter().filter(|figure| figure.holds() == Some(false)).count()
    }

    /// Adds a line for each figure to a file.
    pub(crate) fn add_to(&self, file: &Path) -> Result<()> {
        let cannot = || format!("cannot write {}", file.display());
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(cannot)?;
        }
        let mut out = File::options().create(true).append(true).open(file).with_context(cannot)?;
        let figures = self.figures.iter().map(Figure::to_json);
        let lines = std::iter::once(json!({"run": self.about})).chain(figures);
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        out.write_all(text.as_bytes()).with_context(cannot)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = 44;
        writeln!(
            f,
            "{:width$} {:>22} {:>10} {:>14}  bound",
            "figure", "ours, median..max", "bare", "ratio, ..max"
        )?;
        for figure in &self.figures {
            let name = format!("{}: {} [{}]", figure.scenario, figure.name, figure.unit);
            let ours = format!("{}..{}", short(median(&figure.ours)), short(max(&figure.ours)));
            let ratios = figure.ratios();
            let (bare, ratio) = if ratios.is_empty() {
                ("-".to_owned(), "-".to_owned())
            } else {
                (short(median(&figure.bare)), format!("{:.2}..{:.2}", median(&ratios), max(&ratios)))
            };
            let verdict = match figure.holds() {
                Some(true) => "ok",
                Some(false) => "NOT MET",
                None => "",
            };
            writeln!(f, "{name:width$} {ours:>22} {bare:>10} {ratio:>14}  {} {verdict}", figure.bound)?;
        }
        write!(f, "{}", self.about)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(most) => write!(f, "ratio <= {most}"),
            Self::Median(most) | Self::Each(most) => write!(f, "<= {most}"),
            Self::AtLeast(least) => write!(f, ">= {least}"),
            Self::None => Ok(()),
        }
    }
}

/// Three digits, whatever the size.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The value in the middle, the upper one of two; not a number if there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 1, 2)
}

/// The value that `part` of `whole` are below.
pub(crate) fn quantile(values: &[f64], part: usize, whole: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = sorted.len().saturating_mul(part).checked_div(whole).unwrap_or_default();
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// The largest value; not a number if there is none.
pub(crate) fn max(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(bound: Bound, ours: &[f64], bare: &[f64]) -> Figure {
        Figure { scenario: "s", name: "n", unit: "u", bound, ours: ours.to_vec(), bare: bare.to_vec() }
    }

    #[test]
    fn medians_and_quantiles() {
        for (values, median_wanted, high) in
            [(&[3.0, 1.0, 2.0][..], 2.0, 3.0), (&[1.0, 2.0], 2.0, 2.0), (&[5.0], 5.0, 5.0)]
        {
            assert_eq!((median(values), quantile(values, 99, 100)), (median_wanted, high), "{values:?}");
        }
        assert!(median(&[]).is_nan() && max(&[]).is_nan());
    }

    #[test]
    fn a_bound_is_held_against_what_it_is_about() {
        for (bound, ours, bare, wanted) in [
            (Bound::Ratio(1.3), &[2.0, 2.0, 9.0][..], &[2.0, 2.0, 2.0][..], Some(true)),
            (Bound::Ratio(1.3), &[3.0], &[2.0], Some(false)),
            (Bound::Ratio(1.3), &[], &[], Some(false)),
            (Bound::Median(1.0), &[0.5, 0.5, 7.0], &[], Some(true)),
            (Bound::Each(0.0), &[0.0, 1.0, 0.0], &[], Some(false)),
            (Bound::AtLeast(5.0), &[6.0, 5.0], &[], Some(true)),
            (Bound::AtLeast(5.0), &[6.0, 4.0, 7.0], &[], Some(false)),
            (Bound::AtLeast(5.0), &[], &[], Some(false)),
            (Bound::None, &[1.0], &[], None),
        ] {
            assert_eq!(figure(bound, ours, bare).holds(), wanted, "{bound:?} {ours:?}");
        }
    }
}

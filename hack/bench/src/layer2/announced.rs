//! What a speaker's own metrics say.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// The histogram of the time from seeing a change to the first packet about it.
const ANNOUNCE: &str = "metallb_layer2_announce_seconds";

/// How a speaker is asked for its metrics.
pub(crate) struct Asked {
    pub(crate) token: String,
}

/// The metrics at one moment.
pub(crate) struct Metrics(String);

/// How many announcements took at most how many seconds, in order of the seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram(Vec<(f64, f64)>);

impl Asked {
    /// The metrics of the speaker in this network.
    pub(crate) fn now(&self) -> Result<Metrics> {
        let header = format!("Authorization: Bearer {}", self.token);
        let arguments = ["--silent", "--show-error", "--fail", "--insecure", "--max-time", "20"];
        let mut curl = Command::new("curl");
        curl.args(arguments).args(["--header", &header, "https://127.0.0.1:9120/metrics"]);
        let output = curl.output().context("curl does not start, is it installed?")?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the speaker's metrics: {error}");
        Ok(Metrics(String::from_utf8(output.stdout)?))
    }
}

impl Metrics {
    /// How many addresses are announced.
    pub(crate) fn announced(&self) -> usize {
        self.0.lines().filter(|line| line.starts_with("metallb_speaker_announced{")).count()
    }

    /// How long announcements took so far.
    pub(crate) fn announce(&self) -> Histogram {
        let prefix = format!("{ANNOUNCE}_bucket{{le=\"");
        let buckets = self.0.lines().filter_map(|line| {
            let (bound, count) = line.strip_prefix(&prefix)?.split_once("\"} ")?;
            Some((bound.replace("+Inf", "inf").parse().ok()?, count.parse().ok()?))
        });
        Histogram(buckets.collect())
    }
}

impl Histogram {
    /// What was added since.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let earlier = before.0.iter().map(|(_, count)| *count).chain(std::iter::repeat(0.0));
        Self(self.0.iter().zip(earlier).map(|((bound, count), earlier)| (*bound, count - earlier)).collect())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, count)| *count)
    }

    /// The bound of the bucket that a part of all is in, in milliseconds: the true value is not above it.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let wanted = self.count() * part;
        let bucket = self.0.iter().find(|(_, count)| *count >= wanted);
        bucket.filter(|_| wanted > 0.0).map_or(f64::NAN, |(bound, _)| bound * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket_among_what_was_added() {
        let text = |counts: [u32; 3]| {
            let bounds = ["0.002", "0.01", "+Inf"];
            let lines = bounds.iter().zip(counts).map(|(bound, count)| {
                format!("metallb_layer2_announce_seconds_bucket{{le=\"{bound}\"}} {count}\n")
            });
            Metrics(lines.collect()).announce()
        };
        let added = text([107, 109, 110]).since(&text([100, 100, 100]));
        assert_eq!((added.count(), added.quantile(0.5), added.quantile(0.9)), (10.0, 2.0, 10.0));
        assert!(added.quantile(0.99).is_infinite());
        assert!(text([0, 0, 0]).quantile(0.5).is_nan(), "nothing measured is no small value");
    }
}

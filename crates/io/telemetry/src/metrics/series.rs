//! Series of which there may be one for each of ten thousand addresses. The library's own hold name, help and label names
//! in each series, a kilobyte, and as much again while they are told; here it is one text and a number.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{MetricFamily, MetricType};

use super::{Metrics, RegisterError};

/// Between the values of labels. The names and addresses they are don't hold it.
const BETWEEN: &str = "\0";

/// All series of one name. Clones are the same.
#[derive(Clone, Debug)]
pub struct Series {
    desc: Desc,
    kind: MetricType,
    /// By the values of the labels, in the order of their names as they were registered.
    values: Arc<Mutex<HashMap<Box<str>, u64>>>,
}

/// One series, to be changed.
#[derive(Debug)]
pub struct One<'a> {
    series: &'a Series,
    labels: Box<str>,
}

/// Keeps a name from being registered twice; it has nothing to tell.
struct Reserved(Desc);

impl Series {
    pub(super) fn register(
        metrics: &Metrics,
        kind: MetricType,
        (name, help): (&str, &str),
        labels: &[&str],
    ) -> Result<Self, RegisterError> {
        let names = labels.iter().map(|label| (*label).to_owned()).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), names, HashMap::new())?;
        metrics.registry.register(Box::new(Reserved(desc.clone())))?;
        let series = Self { desc, kind, values: Arc::default() };
        metrics.series().insert(name.to_owned(), series.clone());
        Ok(series)
    }

    /// The series with these values of its labels, as many as it has names.
    #[must_use]
    pub fn with_label_values(&self, labels: &[&str]) -> One<'_> {
        One { series: self, labels: join(labels) }
    }

    /// Removes a series, if it is there.
    pub fn remove_label_values(&self, labels: &[&str]) {
        self.lock().remove(&join(labels));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, u64>> {
        // Every change is one assignment.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all of them in the text format; nothing if there are none.
    pub(super) fn write(&self, text: &mut String) {
        let (all, mut places) = self.copied();
        let labels = |(from, to, _): &(usize, usize, u64)| all.get(*from..*to).unwrap_or_default();
        places.sort_by(|one, other| labels(one).cmp(labels(other)));
        if places.is_empty() {
            return;
        }
        let (name, help) = (&self.desc.fq_name, self.desc.help.replace('\\', "\\\\").replace('\n', "\\n"));
        // Writing to a text never fails.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", self.kind_name());
        let mut names: Vec<(usize, &String)> = self.desc.variable_labels.iter().enumerate().collect();
        names.sort_by_key(|(_, name)| *name);
        for place in &places {
            text.push_str(name);
            let values: Vec<&str> = labels(place).split(BETWEEN).collect();
            for (number, (at, label)) in names.iter().enumerate() {
                text.push_str(if number == 0 { "{" } else { "," });
                text.push_str(label);
                text.push_str("=\"");
                values.get(*at).unwrap_or(&"").chars().for_each(|letter| push_escaped(text, letter));
                text.push('"');
            }
            let _ = writeln!(text, "}} {}", place.2);
        }
    }

    /// The labels as one text, with the place and the value of each: whoever counts waits only for that.
    fn copied(&self) -> (String, Vec<(usize, usize, u64)>) {
        let values = self.lock();
        let mut all = String::with_capacity(values.keys().map(|labels| labels.len()).sum());
        let mut places = Vec::with_capacity(values.len());
        for (labels, value) in values.iter() {
            let from = all.len();
            all.push_str(labels);
            places.push((from, all.len(), *value));
        }
        (all, places)
    }

    fn kind_name(&self) -> &'static str {
        if self.kind == MetricType::GAUGE { "gauge" } else { "counter" }
    }
}

#[cfg(test)]
impl Series {
    /// Name, type, names of the labels, and help.
    pub(super) fn described(&self) -> (&str, &'static str, Vec<&str>, &str) {
        let mut labels: Vec<&str> = self.desc.variable_labels.iter().map(String::as_str).collect();
        labels.sort_unstable();
        (&self.desc.fq_name, self.kind_name(), labels, &self.desc.help)
    }
}

impl One<'_> {
    /// Adds one.
    pub fn inc(self) {
        self.inc_by(1);
    }

    /// Adds so many.
    pub fn inc_by(self, count: u64) {
        let mut values = self.series.lock();
        let value = values.entry(self.labels).or_default();
        *value = value.saturating_add(count);
    }

    /// Sets it.
    pub fn set(self, value: u64) {
        self.series.lock().insert(self.labels, value);
    }
}

impl Collector for Reserved {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        Vec::new()
    }
}

fn push_escaped(text: &mut String, letter: char) {
    match letter {
        '\\' => text.push_str("\\\\"),
        '"' => text.push_str("\\\""),
        '\n' => text.push_str("\\n"),
        _ => text.push(letter),
    }
}

fn join(labels: &[&str]) -> Box<str> {
    labels.join(BETWEEN).into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn lines(metrics: &Metrics) -> Vec<String> {
        let text = metrics.encode();
        text.lines().filter(|line| line.contains("thing")).map(str::to_owned).collect()
    }

    #[test]
    fn series_are_counted_set_removed_and_written_in_order_with_their_labels_sorted() {
        let metrics = Metrics::default();
        let register =
            |kind, name, labels| Series::register(&metrics, kind, (name, "Help."), labels).unwrap();
        let things = register(MetricType::COUNTER, "things", &["ip"]);
        let thing = register(MetricType::GAUGE, "thing", &["service", "ip"]);
        assert_eq!(lines(&metrics), Vec::<String>::new(), "a name without series is not shown");
        things.with_label_values(&["b"]).inc();
        things.with_label_values(&["a"]).inc_by(2);
        things.with_label_values(&["a"]).inc();
        thing.with_label_values(&["de\"fault", "b"]).set(1);
        thing.with_label_values(&["other", "\\n\n"]).set(u64::MAX);
        thing.with_label_values(&["other", "\\n\n"]).inc();
        thing.with_label_values(&["gone", "c"]).set(1);
        thing.remove_label_values(&["gone", "c"]);
        thing.remove_label_values(&["never", "there"]);
        metrics.client().unwrap();
        let expected = [
            "# HELP thing Help.",
            "# TYPE thing gauge",
            "thing{ip=\"b\",service=\"de\\\"fault\"} 1",
            "thing{ip=\"\\\\n\\n\",service=\"other\"} 18446744073709551615",
            "# HELP things Help.",
            "# TYPE things counter",
            "things{ip=\"a\"} 3",
            "things{ip=\"b\"} 1",
        ];
        assert_eq!(lines(&metrics), expected);
        assert!(Series::register(&metrics, MetricType::GAUGE, ("thing", "Help."), &["ip"]).is_err());
    }

    /// The registry's own are in the order of their names; so is what is told of both.
    #[test]
    fn names_are_in_order_whoever_keeps_them() {
        let metrics = Metrics::default();
        metrics.client().unwrap();
        for name in ["a_things", "metallb_k8s_client_m:x", "z_things"] {
            let series = Series::register(&metrics, MetricType::COUNTER, (name, "Help."), &["ip"]).unwrap();
            series.with_label_values(&["b"]).inc();
        }
        let text = metrics.encode();
        let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert!(names.is_sorted() && names.len() > 5, "{names:?}");
    }
}

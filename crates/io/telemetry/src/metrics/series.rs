//! Series of which there may be one for each of ten thousand addresses. The library's own hold name, help and label names
//! in each series, a kilobyte; here it is the values of the labels and a number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::Registry;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use super::RegisterError;

/// The values of the labels, in the order of their names.
type Labels = Box<[Box<str>]>;

/// All series of one name. Clones are the same.
#[derive(Clone, Debug)]
pub struct Series {
    desc: Desc,
    kind: MetricType,
    values: Arc<Mutex<HashMap<Labels, u64>>>,
}

/// One series, to be changed.
#[derive(Debug)]
pub struct One<'a> {
    series: &'a Series,
    labels: Labels,
}

impl Series {
    pub(super) fn register(
        registry: &Registry,
        kind: MetricType,
        (name, help): (&str, &str),
        labels: &[&str],
    ) -> Result<Self, RegisterError> {
        let names = labels.iter().map(|label| (*label).to_owned()).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), names, HashMap::new())?;
        let series = Self { desc, kind, values: Arc::default() };
        registry.register(Box::new(series.clone()))?;
        Ok(series)
    }

    /// The series with these values of its labels, as many as it has names.
    #[must_use]
    pub fn with_label_values(&self, labels: &[&str]) -> One<'_> {
        One { series: self, labels: boxed(labels) }
    }

    /// Removes a series, if it is there.
    pub fn remove_label_values(&self, labels: &[&str]) {
        self.lock().remove(&boxed(labels));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Labels, u64>> {
        // Every change is one assignment.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn metric(&self, labels: &Labels, value: u64) -> Metric {
        let pair = |(name, value): (&String, &str)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.clone());
            pair.set_value(value.to_string());
            pair
        };
        let mut pairs: Vec<LabelPair> =
            self.desc.variable_labels.iter().zip(labels.iter().map(AsRef::as_ref)).map(pair).collect();
        pairs.sort_by(|one, other| one.name().cmp(other.name()));
        let mut metric = Metric::from_label(pairs);
        #[expect(clippy::cast_precision_loss, reason = "the format has no other numbers")]
        let value = value as f64;
        if self.kind == MetricType::GAUGE {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        } else {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        }
        metric
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

impl Collector for Series {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let values = self.lock();
        let mut metrics: Vec<Metric> =
            values.iter().map(|(labels, value)| self.metric(labels, *value)).collect();
        drop(values);
        metrics.sort_by(|one, other| {
            let labels = |metric: &Metric| {
                metric.get_label().iter().map(|pair| pair.value().to_owned()).collect::<Vec<_>>()
            };
            labels(one).cmp(&labels(other))
        });
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(self.kind);
        family.set_metric(metrics);
        vec![family]
    }
}

fn boxed(labels: &[&str]) -> Labels {
    labels.iter().map(|label| Box::from(*label)).collect()
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
            |kind, name, labels| Series::register(&metrics.registry, kind, (name, "Help."), labels).unwrap();
        let things = register(MetricType::COUNTER, "things", &["ip"]);
        let thing = register(MetricType::GAUGE, "thing", &["service", "ip"]);
        assert_eq!(lines(&metrics), Vec::<String>::new(), "a name without series is not shown");
        things.with_label_values(&["b"]).inc();
        things.with_label_values(&["a"]).inc_by(2);
        things.with_label_values(&["a"]).inc();
        thing.with_label_values(&["de\"fault", "b"]).set(1);
        thing.with_label_values(&["gone", "c"]).set(1);
        thing.remove_label_values(&["gone", "c"]);
        thing.remove_label_values(&["never", "there"]);
        let expected = [
            "# HELP thing Help.",
            "# TYPE thing gauge",
            "thing{ip=\"b\",service=\"de\\\"fault\"} 1",
            "# HELP things Help.",
            "# TYPE things counter",
            "things{ip=\"a\"} 3",
            "things{ip=\"b\"} 1",
        ];
        assert_eq!(lines(&metrics), expected);
        assert!(Series::register(&metrics.registry, MetricType::GAUGE, ("thing", "Help."), &["ip"]).is_err());
    }
}

//! Label selectors.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use metallb_config::{Labels, Selector};

use crate::text;

pub(crate) const SEEDS: &[&str] = &[
    "app=web",
    "app=web\ntier In a b",
    "tier NotIn a b\ntier Exists\nother DoesNotExist\n\napp=web",
    "metallb.io/x In a\n\nmetallb.io/x=a",
    "In In In",
    "=\n Exists x\na Wrong b",
];

/// A selector, one requirement a line; after an empty line the labels it is tried on.
pub fn selectors(data: &[u8]) {
    let text = text::of(data);
    let (selector, labels) = text.split_once("\n\n").unwrap_or((&text, ""));
    let (selector, labels) = (read_selector(selector), read_labels(labels));
    let Ok(parsed) = Selector::parse(&selector) else { return };
    assert_eq!(parsed.matches(&labels), matches(&selector, &labels), "{parsed} on {labels:?}");
    assert_eq!(Selector::parse(&reversed(&selector)), Ok(parsed.clone()), "{parsed}: order has no meaning");
}

fn read_selector(text: &str) -> LabelSelector {
    let (labels, expressions): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains('='));
    LabelSelector {
        match_labels: (!labels.is_empty()).then(|| read_labels(&labels.join("\n"))),
        match_expressions: (!expressions.is_empty())
            .then(|| expressions.iter().map(|line| read_expression(line)).collect()),
    }
}

fn read_expression(line: &str) -> LabelSelectorRequirement {
    let mut words = line.split(' ').map(str::to_owned);
    let (key, operator) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let values: Vec<String> = words.collect();
    LabelSelectorRequirement { key, operator, values: (!values.is_empty()).then_some(values) }
}

fn read_labels(text: &str) -> Labels {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn reversed(selector: &LabelSelector) -> LabelSelector {
    let mut selector = selector.clone();
    selector.match_expressions.iter_mut().for_each(|expressions| expressions.reverse());
    selector.match_expressions.iter_mut().flatten().for_each(|expression| {
        expression.values.iter_mut().for_each(|values| values.reverse());
    });
    selector
}

/// What Kubernetes' documentation says a selector means.
fn matches(selector: &LabelSelector, labels: &Labels) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let holds = |expression: &LabelSelectorRequirement| {
        let value = labels.get(&expression.key);
        let listed = value.is_some_and(|value| expression.values.iter().flatten().any(|one| one == value));
        match expression.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            _ => value.is_none(),
        }
    };
    equal && selector.match_expressions.iter().flatten().all(holds)
}

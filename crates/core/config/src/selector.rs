//! Label selectors, checked once and matched often.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use metallb_api::LabelSelector;

use crate::raw::Labels;

mod syntax;
#[cfg(test)]
mod tests;

/// A checked label selector. Matches when every requirement holds; without requirements it matches everything.
///
/// Prints like `kubectl get -l` takes it; equal selectors print alike.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Requirement {
    key: String,
    test: Test,
}

/// What must be true of the label under the key.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Test {
    Equals(String),
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Exists,
    DoesNotExist,
}

/// A label selector is not valid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SelectorError {
    /// The operator is none of the four.
    #[error("{operator:?} is not a valid label selector operator: use In, NotIn, Exists or DoesNotExist")]
    Operator {
        /// What was given.
        operator: String,
    },
    /// In or NotIn without values.
    #[error("label selector key {key:?}: operator {operator} needs at least one value")]
    NoValues {
        /// The label key.
        key: String,
        /// The operator.
        operator: String,
    },
    /// Exists or DoesNotExist with values.
    #[error("label selector key {key:?}: operator {operator} takes no values")]
    Values {
        /// The label key.
        key: String,
        /// The operator.
        operator: String,
    },
    /// No label can have this key.
    #[error("label selector key {key:?} is not a valid label key")]
    Key {
        /// The label key.
        key: String,
    },
    /// No label can have this value.
    #[error("label selector key {key:?}: {value:?} is not a valid label value")]
    Value {
        /// The label key.
        key: String,
        /// The value.
        value: String,
    },
    /// One expression names a value twice.
    #[error("duplicate definition of match expression value in label selector {selector:?}")]
    RepeatedValue {
        /// The selector.
        selector: String,
    },
    /// The selector holds an expression twice.
    #[error("duplicate definition of match expressions {expression:?} in label selector {selector:?}")]
    RepeatedExpression {
        /// The expression.
        expression: String,
        /// The selector.
        selector: String,
    },
}

impl Selector {
    /// Checks a selector of the API.
    ///
    /// # Errors
    /// When Kubernetes would not take it, or when it repeats itself (contract 01 §3.2, "any selector").
    pub fn parse(raw: &LabelSelector) -> Result<Self, SelectorError> {
        refuse_repetition(raw)?;
        let mut requirements = Vec::new();
        for (key, value) in raw.match_labels.iter().flatten() {
            requirements.push(Requirement::new(key, Test::Equals(value.clone()))?);
        }
        for expression in raw.match_expressions.iter().flatten() {
            let values = expression.values.as_deref().unwrap_or_default();
            let test = parse_test(&expression.key, &expression.operator, values)?;
            requirements.push(Requirement::new(&expression.key, test)?);
        }
        requirements.sort();
        Ok(Self { requirements })
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(labels))
    }
}

fn parse_test(key: &str, operator: &str, values: &[String]) -> Result<Test, SelectorError> {
    let set: BTreeSet<String> = values.iter().cloned().collect();
    let (key, operator) = (key.to_owned(), operator.to_owned());
    match operator.as_str() {
        "In" | "NotIn" if set.is_empty() => Err(SelectorError::NoValues { key, operator }),
        "Exists" | "DoesNotExist" if !set.is_empty() => Err(SelectorError::Values { key, operator }),
        "In" => Ok(Test::In(set)),
        "NotIn" => Ok(Test::NotIn(set)),
        "Exists" => Ok(Test::Exists),
        "DoesNotExist" => Ok(Test::DoesNotExist),
        _ => Err(SelectorError::Operator { operator }),
    }
}

impl Requirement {
    fn new(key: &str, test: Test) -> Result<Self, SelectorError> {
        if !syntax::is_label_key(key) {
            return Err(SelectorError::Key { key: key.to_owned() });
        }
        if let Some(value) = test.values().find(|value| !syntax::is_label_value(value)) {
            return Err(SelectorError::Value { key: key.to_owned(), value: value.clone() });
        }
        Ok(Self { key: key.to_owned(), test })
    }

    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.test {
            Test::Equals(wanted) => value == Some(wanted),
            Test::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
            Test::NotIn(unwanted) => value.is_none_or(|value| !unwanted.contains(value)),
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
        }
    }
}

impl Test {
    fn values(&self) -> Box<dyn Iterator<Item = &String> + '_> {
        match self {
            Self::Equals(value) => Box::new(std::iter::once(value)),
            Self::In(values) | Self::NotIn(values) => Box::new(values.iter()),
            Self::Exists | Self::DoesNotExist => Box::new(std::iter::empty()),
        }
    }
}

fn refuse_repetition(raw: &LabelSelector) -> Result<(), SelectorError> {
    let mut seen = BTreeSet::new();
    for expression in raw.match_expressions.iter().flatten() {
        let mut values = expression.values.clone().unwrap_or_default();
        values.sort();
        if values.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(SelectorError::RepeatedValue { selector: render(raw) });
        }
        let text = render_expression(&expression.key, &expression.operator, &values);
        if !seen.insert(text.clone()) {
            return Err(SelectorError::RepeatedExpression { expression: text, selector: render(raw) });
        }
    }
    Ok(())
}

/// The text of a selector that need not be valid; of a valid one the same as its `Display`.
pub(crate) fn render(raw: &LabelSelector) -> String {
    let labels = raw.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = raw.match_expressions.iter().flatten().map(|expression| {
        let mut values = expression.values.clone().unwrap_or_default();
        values.sort();
        render_expression(&expression.key, &expression.operator, &values)
    });
    let mut terms: Vec<String> = labels.chain(expressions).collect();
    terms.sort();
    terms.join(",")
}

fn render_expression(key: &str, operator: &str, values: &[String]) -> String {
    match operator {
        "Exists" => key.to_owned(),
        "DoesNotExist" => format!("!{key}"),
        other => format!("{key} {} ({})", other.to_lowercase(), values.join(",")),
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms: Vec<String> = self.requirements.iter().map(Requirement::to_string).collect();
        terms.sort();
        f.write_str(&terms.join(","))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let list =
            |values: &BTreeSet<String>| values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        match &self.test {
            Test::Equals(value) => write!(f, "{key}={value}"),
            Test::In(values) => write!(f, "{key} in ({})", list(values)),
            Test::NotIn(values) => write!(f, "{key} notin ({})", list(values)),
            Test::Exists => f.write_str(key),
            Test::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

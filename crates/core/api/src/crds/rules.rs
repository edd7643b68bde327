//! Rules the API server checks itself, so that they hold while no webhook runs, in the words of the webhooks' parsers.
//!
//! Only what a single object shows is here, and only what Kubernetes 1.30 can say; the webhooks know all the rest.
//! An object that is stored already stays editable: the API server skips the rules of a field that does not change, and
//! a rule over several fields lets them be as they were.
//!
//! The API server refuses a definition whose rules might take too long. So rules on lists look at the first entries
//! only, which is what keeps the lists themselves without a limit, and strings they compare have one, far above what
//! makes sense.

mod durations;
mod layer2;
mod lists;
mod metallb;
mod peer;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, ValidationRule,
};

use super::{element, schema_of};

/// Rules of one place.
struct Rules {
    /// The definition, by plural.
    plural: &'static str,
    /// The version.
    version: &'static str,
    /// Where below the object, joined by dots; `*` stands for the entries of a list.
    at: &'static str,
    rules: Vec<ValidationRule>,
    /// Limit of the string here, for the sake of other rules.
    max_length: Option<i64>,
}

/// Adds our rules to a definition.
pub(super) fn add(crd: &mut CustomResourceDefinition) {
    let mine = all().into_iter().filter(|rules| rules.plural == crd.spec.names.plural);
    for rules in mine {
        let versions = crd.spec.versions.iter_mut().filter(|version| version.name == rules.version);
        for place in versions.filter_map(schema_of).filter_map(|root| find(root, rules.at)) {
            place.max_length = place.max_length.or(rules.max_length);
            if !rules.rules.is_empty() {
                let validations = place.x_kubernetes_validations.get_or_insert_default();
                validations.extend(rules.rules.iter().cloned());
            }
        }
    }
}

fn find<'a>(root: &'a mut JSONSchemaProps, at: &str) -> Option<&'a mut JSONSchemaProps> {
    at.split('.').try_fold(root, |schema, step| match step {
        "*" => element(schema.items.as_mut(), None).next(),
        field => schema.properties.as_mut()?.get_mut(field),
    })
}

fn all() -> Vec<Rules> {
    let mut all = lists::rules();
    all.extend(peer::rules());
    all.extend(layer2::rules());
    all.extend(metallb::rules());
    all
}

fn at(
    (plural, version): (&'static str, &'static str),
    at: &'static str,
    rules: impl IntoIterator<Item = ValidationRule>,
) -> Rules {
    Rules { plural, version, at, rules: rules.into_iter().collect(), max_length: None }
}

/// `rule` must hold, or `message` tells why not.
fn rule(rule: impl Into<String>, message: &str) -> ValidationRule {
    ValidationRule { rule: rule.into(), message: Some(message.to_owned()), ..ValidationRule::default() }
}

/// Says more in the message, by an expression. The plain message stays for when that can't be worked out.
fn saying(expression: impl Into<String>, rule: ValidationRule) -> ValidationRule {
    ValidationRule { message_expression: Some(expression.into()), ..rule }
}

/// `rule` over several fields of an object must hold, unless all of them are as they were.
fn together(fields: &[&str], rule: ValidationRule) -> ValidationRule {
    let unchanged: Vec<String> = fields.iter().map(|field| unchanged(field)).collect();
    ValidationRule {
        rule: format!("({}) || (oldSelf.hasValue() && {})", rule.rule, unchanged.join(" && ")),
        optional_old_self: Some(true),
        ..rule
    }
}

/// Longer than comparing two optional fields, but the API server can tell how long it takes.
fn unchanged(field: &str) -> String {
    let (new, old) = (format!("self.{field}"), format!("oldSelf.value().{field}"));
    format!("(has({new}) ? has({old}) && {new} == {old} : !has({old}))")
}

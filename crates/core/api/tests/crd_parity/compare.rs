//! Compares two definitions structurally: what does the second refuse, lose or treat otherwise than the first?

use std::collections::BTreeSet;

use serde_json::Value;

/// Differences that an object or a client could notice, each with its place.
pub fn definitions(upstream: &Value, ours: &Value) -> Vec<String> {
    let mut found = Differences::default();
    // Conversion is added by the installation, not by the types; another test tells it.
    for field in ["group", "names", "scope", "preserveUnknownFields"] {
        found.equal(field, upstream["spec"].get(field), ours["spec"].get(field));
    }
    for version in versions(upstream) {
        match versions(ours).iter().find(|candidate| candidate["name"] == version["name"]) {
            Some(counterpart) => found.version(version, counterpart),
            None => found.add(&format!("version {}", version["name"]), "is missing"),
        }
    }
    found.0
}

fn versions(crd: &Value) -> &[Value] {
    crd["spec"]["versions"].as_array().map_or(&[], Vec::as_slice)
}

/// How the two values of one keyword may relate.
enum Rule {
    /// Says nothing about objects.
    Ignored,
    /// Must be the same.
    Equal,
    /// A lower bound: ours may be absent or lower.
    AtMost,
    /// An upper bound: ours may be absent or higher.
    AtLeast,
    /// A set of allowed values: ours may be absent or hold more.
    Superset,
    /// A set of demands: ours may hold fewer.
    Subset,
    /// A flag that allows: ours must be set where upstream's is.
    Permission,
    /// A schema by name; ours may have more names.
    Fields,
    /// A schema.
    Schema,
}

fn rule(keyword: &str) -> Option<Rule> {
    Some(match keyword {
        "description" | "title" | "example" | "externalDocs" => Rule::Ignored,
        "type" | "format" | "pattern" | "default" | "anyOf" | "oneOf" | "allOf" | "not" | "multipleOf"
        | "exclusiveMinimum" | "exclusiveMaximum" => Rule::Equal,
        "x-kubernetes-list-type"
        | "x-kubernetes-list-map-keys"
        | "x-kubernetes-map-type"
        | "x-kubernetes-int-or-string"
        | "x-kubernetes-embedded-resource"
        | "x-kubernetes-preserve-unknown-fields"
        | "x-kubernetes-validations" => Rule::Equal,
        "minimum" | "minLength" | "minItems" | "minProperties" => Rule::AtMost,
        "maximum" | "maxLength" | "maxItems" | "maxProperties" => Rule::AtLeast,
        "enum" => Rule::Superset,
        "required" => Rule::Subset,
        "nullable" => Rule::Permission,
        "properties" => Rule::Fields,
        "items" | "additionalProperties" => Rule::Schema,
        _ => return None,
    })
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn add(&mut self, at: &str, what: &str) {
        self.0.push(format!("{at}: {what}"));
    }

    fn equal(&mut self, at: &str, upstream: Option<&Value>, ours: Option<&Value>) {
        if !same(upstream, ours) {
            self.add(at, &format!("upstream {}, ours {}", shown(upstream), shown(ours)));
        }
    }

    fn version(&mut self, upstream: &Value, ours: &Value) {
        let fields = [
            "served",
            "storage",
            "deprecated",
            "deprecationWarning",
            "subresources",
            "additionalPrinterColumns",
            "selectableFields",
        ];
        for field in fields {
            self.equal(field, upstream.get(field), ours.get(field));
        }
        self.schema("", &upstream["schema"]["openAPIV3Schema"], &ours["schema"]["openAPIV3Schema"]);
    }

    fn schema(&mut self, at: &str, upstream: &Value, ours: &Value) {
        let (Some(theirs), Some(own)) = (upstream.as_object(), ours.as_object()) else {
            return self.equal(at, Some(upstream), Some(ours));
        };
        let keywords: BTreeSet<&String> = theirs.keys().chain(own.keys()).collect();
        for keyword in keywords {
            self.keyword((at, keyword), theirs.get(keyword), own.get(keyword));
        }
    }

    fn keyword(&mut self, (at, keyword): (&str, &str), upstream: Option<&Value>, ours: Option<&Value>) {
        let here = format!("{at}/{keyword}");
        let fine = match rule(keyword) {
            None => return self.add(&here, "the comparison does not know this keyword; teach it"),
            Some(Rule::Fields) => return self.fields(at, upstream, ours),
            Some(Rule::Schema) => return self.nested(&here, upstream, ours),
            Some(Rule::Ignored) => true,
            Some(Rule::Equal) => same(upstream, ours),
            Some(Rule::AtMost) => ours.is_none() || number(ours) <= number(upstream),
            Some(Rule::AtLeast) => ours.is_none() || (upstream.is_some() && number(ours) >= number(upstream)),
            Some(Rule::Superset) => {
                ours.is_none() || (upstream.is_some() && set(upstream).is_subset(&set(ours)))
            }
            Some(Rule::Subset) => set(ours).is_subset(&set(upstream)),
            Some(Rule::Permission) => upstream != Some(&Value::Bool(true)) || ours == upstream,
        };
        if !fine {
            self.add(&here, &format!("upstream {}, ours {}", shown(upstream), shown(ours)));
        }
    }

    fn fields(&mut self, at: &str, upstream: Option<&Value>, ours: Option<&Value>) {
        for (name, schema) in upstream.and_then(Value::as_object).into_iter().flatten() {
            match ours.and_then(|fields| fields.get(name)) {
                Some(counterpart) => self.schema(&format!("{at}.{name}"), schema, counterpart),
                None => self.add(&format!("{at}.{name}"), "is missing"),
            }
        }
    }

    fn nested(&mut self, at: &str, upstream: Option<&Value>, ours: Option<&Value>) {
        match (upstream, ours) {
            (Some(upstream), Some(ours)) => self.schema(at, upstream, ours),
            (upstream, ours) => self.equal(at, upstream, ours),
        }
    }
}

/// Equal up to prose, and up to how a number is written.
fn same(upstream: Option<&Value>, ours: Option<&Value>) -> bool {
    match (upstream, ours) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64() == b.as_f64(),
        (Some(a), Some(b)) => plain(a) == plain(b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn plain(value: &Value) -> Value {
    let mut value = value.clone();
    match &mut value {
        Value::Array(items) => items.iter_mut().for_each(|item| *item = plain(item)),
        Value::Object(fields) => drop(fields.remove("description")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    value
}

fn number(value: Option<&Value>) -> Option<f64> {
    value.and_then(Value::as_f64)
}

fn set(value: Option<&Value>) -> BTreeSet<String> {
    value.and_then(Value::as_array).into_iter().flatten().map(Value::to_string).collect()
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

mod tests;

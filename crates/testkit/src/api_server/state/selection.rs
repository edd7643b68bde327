//! Which objects a list or a watch is about.

use serde_json::Value;

use super::Key;
use crate::api_server::request::Request;

pub(super) fn fits((group, resource, namespace, name): &Key, object: &Value, request: &Request) -> bool {
    *group == request.group
        && *resource == request.resource
        && request.namespace.as_ref().is_none_or(|wanted| wanted == namespace)
        && terms(request, "fieldSelector").all(|(field, wanted)| match field.as_str() {
            "metadata.name" => wanted.as_ref() == Some(name),
            "metadata.namespace" => wanted.as_ref() == Some(namespace),
            field => {
                object.pointer(&format!("/{}", field.replace('.', "/"))).and_then(Value::as_str)
                    == wanted.as_deref()
            }
        })
        && terms(request, "labelSelector").all(|(label, wanted)| {
            let value = object["metadata"]["labels"].get(&label).and_then(Value::as_str);
            wanted.map_or(value.is_some(), |wanted| value == Some(wanted.as_str()))
        })
}

/// The terms of a selector, `name=value` or just `name`.
fn terms(request: &Request, parameter: &str) -> impl Iterator<Item = (String, Option<String>)> + use<> {
    let text = request.parameter(parameter).unwrap_or_default();
    let terms: Vec<String> = text.split(',').filter(|term| !term.is_empty()).map(str::to_owned).collect();
    terms.into_iter().map(|term| match term.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.trim_start_matches('=').to_owned())),
        None => (term, None),
    })
}

/// An object in a list: kinds built into Kubernetes don't repeat what they are.
pub(super) fn as_item(object: &Value, request: &Request) -> Value {
    let mut item = object.clone();
    let built_in = !request.group.contains('.') || request.group.ends_with(".k8s.io");
    if let (Value::Object(members), true) = (&mut item, built_in) {
        members.remove("apiVersion");
        members.remove("kind");
    }
    item
}

//! The custom resource definitions, generated from the types and finished for installation.
//!
//! The derived schemas say what serde accepts. What Kubernetes wants to know beyond that (which lists merge as a
//! whole, how a quantity is written) is added here, so that an API server judges objects as it always has.

mod conversion;
mod kubernetes_types;
mod rules;

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps, JSONSchemaPropsOrArray,
    JSONSchemaPropsOrBool,
};
use kube_core::CustomResourceExt as _;

/// Every definition, by name, for an installation in `namespace`: that is where conversions are asked for.
#[must_use]
pub fn crds(namespace: &str) -> Vec<CustomResourceDefinition> {
    let derived = [
        crate::BFDProfile::crd(),
        crate::BGPAdvertisement::crd(),
        conversion::both_versions(namespace),
        crate::Community::crd(),
        crate::ConfigurationState::crd(),
        crate::IPAddressPool::crd(),
        crate::L2Advertisement::crd(),
        crate::MetalLB::crd(),
        crate::ServiceBGPStatus::crd(),
        crate::ServiceL2Status::crd(),
    ];
    derived.into_iter().map(finish).collect()
}

/// Takes the format off a number that upstream leaves unbounded.
pub(crate) fn without_format(schema: &mut schemars::Schema) {
    schema.remove("format");
}

fn finish(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let names = &mut crd.spec.names;
    names.list_kind = Some(format!("{}List", names.kind));
    crd.spec.versions.iter_mut().filter_map(schema_of).for_each(finish_root);
    rules::add(&mut crd);
    crd
}

fn schema_of(version: &mut CustomResourceDefinitionVersion) -> Option<&mut JSONSchemaProps> {
    version.schema.as_mut()?.open_api_v3_schema.as_mut()
}

/// The object itself: what kube leaves to the API server is said, what serde adds for absent fields is not.
fn finish_root(root: &mut JSONSchemaProps) {
    root.title = None;
    let fields = root.properties.get_or_insert_default();
    for field in fields.values_mut() {
        field.default = None;
    }
    fields.extend(object_fields());
    finish_schema(root);
}

fn object_fields() -> BTreeMap<String, JSONSchemaProps> {
    let field = |name: &str, type_: &str, description: Option<&str>| {
        let schema = JSONSchemaProps {
            type_: Some(type_.to_owned()),
            description: description.map(str::to_owned),
            ..JSONSchemaProps::default()
        };
        (name.to_owned(), schema)
    };
    BTreeMap::from([
        field("apiVersion", "string", Some("Group and version of the resource.")),
        field("kind", "string", Some("Kind of the resource.")),
        field("metadata", "object", None), // the API server refuses to have it described
    ])
}

/// An absent field is left out, never written as null, so nothing is nullable.
fn finish_schema(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    kubernetes_types::complete(schema);
    if schema.title.as_deref() == Some(kubernetes_types::OWN) {
        schema.title = None;
    }
    for child in children(schema) {
        finish_schema(child);
    }
}

/// The schemas one step below.
fn children(schema: &mut JSONSchemaProps) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let fields = schema.properties.iter_mut().flat_map(BTreeMap::values_mut);
    fields.chain(element(schema.items.as_mut(), schema.additional_properties.as_mut()))
}

/// The schema of a list's items or a map's values.
fn element<'a>(
    items: Option<&'a mut JSONSchemaPropsOrArray>,
    values: Option<&'a mut JSONSchemaPropsOrBool>,
) -> impl Iterator<Item = &'a mut JSONSchemaProps> {
    let items = items.and_then(|items| match items {
        JSONSchemaPropsOrArray::Schema(schema) => Some(schema.as_mut()),
        JSONSchemaPropsOrArray::Schemas(_) => None,
    });
    let values = values.and_then(|values| match values {
        JSONSchemaPropsOrBool::Schema(schema) => Some(schema.as_mut()),
        JSONSchemaPropsOrBool::Bool(_) => None,
    });
    items.into_iter().chain(values)
}

#[cfg(test)]
mod tests;

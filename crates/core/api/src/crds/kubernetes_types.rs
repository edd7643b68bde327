//! What Kubernetes' own types need in a schema, told by their sets of fields.
//!
//! Recognising them by shape means that a new field of such a type is right without anybody thinking of it.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSON, JSONSchemaProps};

use super::{children, element};

/// A type of Kubernetes: its fields, sorted, and what its schema lacks.
struct KubernetesType {
    fields: &'static [&'static str],
    complete: fn(&mut JSONSchemaProps),
}

const TYPES: &[KubernetesType] = &[
    // LabelSelector
    KubernetesType { fields: &["matchExpressions", "matchLabels"], complete: atomic_with_lists },
    // LabelSelectorRequirement, NodeSelectorRequirement
    KubernetesType { fields: &["key", "operator", "values"], complete: atomic_lists },
    // SecretReference
    KubernetesType { fields: &["name", "namespace"], complete: atomic },
    // NodeSelectorTerm
    KubernetesType { fields: &["matchExpressions", "matchFields"], complete: atomic_with_lists },
    // NodeSelector
    KubernetesType { fields: &["nodeSelectorTerms"], complete: atomic_with_lists },
    // Affinity
    KubernetesType { fields: &["nodeAffinity", "podAffinity", "podAntiAffinity"], complete: undescribed },
    // NodeAffinity, PodAffinity, PodAntiAffinity
    KubernetesType {
        fields: &[
            "preferredDuringSchedulingIgnoredDuringExecution",
            "requiredDuringSchedulingIgnoredDuringExecution",
        ],
        complete: atomic_lists,
    },
    // PodAffinityTerm
    KubernetesType {
        fields: &[
            "labelSelector",
            "matchLabelKeys",
            "mismatchLabelKeys",
            "namespaceSelector",
            "namespaces",
            "topologyKey",
        ],
        complete: atomic_lists,
    },
    // Toleration
    KubernetesType {
        fields: &["effect", "key", "operator", "tolerationSeconds", "value"],
        complete: undescribed,
    },
    // ResourceRequirements
    KubernetesType { fields: &["claims", "limits", "requests"], complete: resource_requirements },
    // Condition
    KubernetesType {
        fields: &["lastTransitionTime", "message", "observedGeneration", "reason", "status", "type"],
        complete: condition,
    },
];

/// Title of a type of ours that only looks like one of Kubernetes.
pub(super) const OWN: &str = "own";

const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";
const CONDITION_REASON: &str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";
const CONDITION_TYPE: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$";

/// Completes `schema` if it, or what a list or map of it holds, is a type of Kubernetes.
pub(super) fn complete(schema: &mut JSONSchemaProps) {
    if let Some(known) = recognise(schema) {
        (known.complete)(schema);
        children(schema).for_each(strip_descriptions);
    }
    for element in element(schema.items.as_mut(), schema.additional_properties.as_mut()) {
        if recognise(element).is_some() {
            element.description = None;
        }
    }
}

fn recognise(schema: &JSONSchemaProps) -> Option<&'static KubernetesType> {
    if schema.title.as_deref() == Some(OWN) {
        return None;
    }
    let fields = schema.properties.as_ref()?;
    TYPES.iter().find(|known| fields.keys().eq(known.fields.iter()))
}

/// Kubernetes describes its types itself, under `kubectl explain pod`; a definition need not repeat that.
fn strip_descriptions(schema: &mut JSONSchemaProps) {
    schema.description = None;
    children(schema).for_each(strip_descriptions);
}

fn undescribed(_: &mut JSONSchemaProps) {}

/// Server-side apply replaces the object as a whole.
fn atomic(schema: &mut JSONSchemaProps) {
    schema.x_kubernetes_map_type = Some("atomic".to_owned());
}

/// Server-side apply replaces the object as a whole, and so its lists.
fn atomic_with_lists(schema: &mut JSONSchemaProps) {
    atomic(schema);
    atomic_lists(schema);
}

/// Server-side apply replaces the object's lists as a whole.
fn atomic_lists(schema: &mut JSONSchemaProps) {
    for field in children(schema).filter(|field| field.type_.as_deref() == Some("array")) {
        field.x_kubernetes_list_type = Some("atomic".to_owned());
    }
}

fn resource_requirements(schema: &mut JSONSchemaProps) {
    with_field(schema, "claims", |claims| {
        claims.x_kubernetes_list_type = Some("map".to_owned());
        claims.x_kubernetes_list_map_keys = Some(vec!["name".to_owned()]);
    });
    for name in ["limits", "requests"] {
        with_field(schema, name, |amounts| children(amounts).for_each(quantity));
    }
}

fn quantity(schema: &mut JSONSchemaProps) {
    let typed = |type_: &str| JSONSchemaProps { type_: Some(type_.to_owned()), ..JSONSchemaProps::default() };
    schema.any_of = Some(vec![typed("integer"), typed("string")]);
    schema.pattern = Some(QUANTITY.to_owned());
}

/// The bounds Kubernetes puts on every condition.
fn condition(schema: &mut JSONSchemaProps) {
    with_field(schema, "message", |message| message.max_length = Some(32768));
    with_field(schema, "observedGeneration", |generation| generation.minimum = Some(0.0));
    with_field(schema, "reason", |reason| {
        reason.min_length = Some(1);
        reason.max_length = Some(1024);
        reason.pattern = Some(CONDITION_REASON.to_owned());
    });
    with_field(schema, "status", |status| {
        status.enum_ = Some(["True", "False", "Unknown"].map(|value| JSON(value.into())).into());
    });
    with_field(schema, "type", |type_| {
        type_.max_length = Some(316);
        type_.pattern = Some(CONDITION_TYPE.to_owned());
    });
}

fn with_field(schema: &mut JSONSchemaProps, name: &str, change: impl FnOnce(&mut JSONSchemaProps)) {
    if let Some(field) = schema.properties.as_mut().and_then(|fields| fields.get_mut(name)) {
        change(field);
    }
}

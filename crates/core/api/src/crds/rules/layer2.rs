//! Rules of the fields of an `L2Advertisement` that the original does not have.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;

use super::durations::DURATION;
use super::{Rules, at, rule, saying, together};

const L2: (&str, &str) = ("l2advertisements", "v1beta1");

pub(super) fn rules() -> Vec<Rules> {
    let off = "duration(self) == duration('0s') || ";
    vec![
        at(L2, "spec", [delay_of_delayed()]),
        at(L2, "spec.preemptDelay", [within("", ("1s", "24h"), "preemptDelay", "must be from 1s to 24h")]),
        at(
            L2,
            "spec.refreshInterval",
            [within(off, ("10s", "24h"), "refreshInterval", "must be from 10s to 24h, or 0s for never")],
        ),
    ]
}

fn within(or: &str, (least, most): (&str, &str), field: &str, demand: &str) -> ValidationRule {
    let range = format!("duration(self) >= duration('{least}') && duration(self) <= duration('{most}')");
    saying(
        format!(r#"'invalid {field} "' + self + '": {demand}'"#),
        rule(format!("self.matches('{DURATION}') && ({or}({range}))"), &format!("invalid {field}: {demand}")),
    )
}

fn delay_of_delayed() -> ValidationRule {
    let holds = "!has(self.preemptDelay) || (has(self.preempt) && self.preempt == 'Delayed')";
    let demand = "only counts with preempt: Delayed; set that, or remove preemptDelay";
    saying(
        format!(r#"'invalid preemptDelay "' + self.preemptDelay + '": {demand}'"#),
        together(&["preempt", "preemptDelay"], rule(holds, &format!("invalid preemptDelay: {demand}"))),
    )
}

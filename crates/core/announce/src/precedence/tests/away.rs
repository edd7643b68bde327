//! Processes that go on after they stood still, or were cut off.

use super::*;

impl Cluster {
    /// A node stands still until the others have taken over what it holds, and goes on.
    fn freeze(&mut self, node: &str) -> BTreeMap<ServiceKey, String> {
        let frozen = self.speakers.remove(node).unwrap();
        self.meet();
        let meanwhile = self.owners();
        self.now += 5 * SECOND;
        self.speakers.insert(node.to_owned(), frozen);
        let now = self.now;
        let tenure = |cluster: &mut Self, act: &dyn Fn(&mut Tenure)| {
            cluster.speakers.get_mut(node).into_iter().for_each(|(_, tenure)| act(tenure));
        };
        tenure(self, &|tenure| tenure.doubt(now));
        self.meet();
        tenure(self, &Tenure::trust);
        self.decide(&BTreeSet::new());
        meanwhile
    }
}

#[test]
fn who_goes_on_has_to_wait_for_what_was_taken_over_as_one_that_is_started_anew() {
    for (spec, is_back, is_back_later) in [
        (json!({ "spread": "Bounded" }), true, true),
        (json!({ "preempt": "Never" }), false, false),
        (json!({ "preempt": "Delayed", "preemptDelay": "30s" }), false, true),
    ] {
        let mut cluster = Cluster::new(spec.clone());
        cluster.fill(20);
        let before = cluster.owners();
        let meanwhile = cluster.freeze("n2");
        assert_ne!(meanwhile, before, "{spec}");
        for (pause, is_back) in [(0, is_back), (29, is_back), (1, is_back_later)] {
            cluster.now += pause * SECOND;
            cluster.decide(&BTreeSet::new());
            assert_eq!(cluster.owners(), *if is_back { &before } else { &meanwhile }, "{spec}");
        }
    }
}

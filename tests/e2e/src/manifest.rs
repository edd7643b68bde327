//! The objects tests create, as an admin would write them.

/// Namespace of MetalLB in every test.
pub const NAMESPACE: &str = "metallb-system";

/// The `MetalLB` resource of this name.
#[must_use]
pub fn metallb(name: &str) -> String {
    format!(
        "apiVersion: metallb.io/v1beta1\nkind: MetalLB\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\n"
    )
}

/// A pool with these addresses (a YAML list), and an advertisement of the same name.
#[must_use]
pub fn pool(name: &str, addresses: &str) -> String {
    format!(
        "apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: {name}, namespace: {NAMESPACE}}}
spec: {{addresses: {addresses}}}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {{name: {name}, namespace: {NAMESPACE}}}
spec: {{ipAddressPools: [{name}]}}
"
    )
}

/// Pods that answer with their own name and the address they were asked from. They ask for as much of a processor as a speaker
/// does: without, they would get what all others leave.
#[must_use]
pub fn web(replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: default}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      topologySpreadConstraints:
      - {{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {{matchLabels: {{app: web}}}}}}
      containers:
      - name: web
        image: testbed.local/web:1
        imagePullPolicy: IfNotPresent
        ports: [{{containerPort: 8080}}]
        resources: {{requests: {{cpu: 50m}}}}
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
"
    )
}

/// A LoadBalancer Service in front of [`web`].
#[derive(Clone, Debug)]
pub struct Service<'a> {
    /// Its name, in namespace `default`.
    pub name: &'a str,
    /// `ipFamilyPolicy`.
    pub policy: &'a str,
    /// `ipFamilies`, a YAML list.
    pub families: &'a str,
    /// `externalTrafficPolicy`.
    pub traffic: &'a str,
    /// Annotations, a YAML map.
    pub annotations: &'a str,
}

impl<'a> Service<'a> {
    /// An IPv4 Service that any node may serve.
    #[must_use]
    pub fn named(name: &'a str) -> Self {
        Self { name, policy: "SingleStack", families: "[IPv4]", traffic: "Cluster", annotations: "{}" }
    }

    /// The same with these families.
    #[must_use]
    pub fn families(self, policy: &'a str, families: &'a str) -> Self {
        Self { policy, families, ..self }
    }

    /// The same with `externalTrafficPolicy: Local`.
    #[must_use]
    pub fn local(self) -> Self {
        Self { traffic: "Local", ..self }
    }

    /// The same with these annotations.
    #[must_use]
    pub fn annotated(self, annotations: &'a str) -> Self {
        Self { annotations, ..self }
    }

    /// Its manifest.
    #[must_use]
    pub fn yaml(&self) -> String {
        let Self { name, policy, families, traffic, annotations } = self;
        format!(
            "apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default, annotations: {annotations}}}
spec:
  type: LoadBalancer
  selector: {{app: web}}
  ipFamilyPolicy: {policy}
  ipFamilies: {families}
  externalTrafficPolicy: {traffic}
  ports: [{{port: 80, targetPort: 8080}}]
"
        )
    }
}

/// The right of the service account `reader` of namespace `default`, and the account itself, to get a path of daemons'
/// metrics ports, such as `/metrics`.
#[must_use]
pub fn reader_of(path: &str) -> String {
    let name = path.trim_matches('/').replace('/', "-");
    format!(
        "apiVersion: v1
kind: ServiceAccount
metadata: {{name: reader, namespace: default}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: reader-of-{name}}}
rules: [{{nonResourceURLs: [{path}], verbs: [get]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: reader-of-{name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader-of-{name}}}
subjects: [{{kind: ServiceAccount, name: reader, namespace: default}}]
"
    )
}

//! The archive: an OCI image layout in a tar file, which `ctr images import` and its like read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::layer::{Layer, Tar, build_layer};
use crate::{Digest, Error, Image};

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Every image claims this instant; a true one would change the digest at each build.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Writes `image` to `path` and returns the digest of its manifest, under which engines list the image.
///
/// An existing archive is replaced in one step; readers see the old one or the new one.
///
/// # Errors
/// When the image is not well formed (name, paths), a source cannot be read, or `path` cannot be written.
pub fn write_archive(image: &Image, path: &Path) -> Result<Digest, Error> {
    let (archive, manifest) = build_archive(image)?;
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".partial");
    fs::write(&unfinished, archive).map_err(failed)?;
    fs::rename(&unfinished, path).map_err(failed)?;
    Ok(manifest)
}

pub(crate) fn build_archive(image: &Image) -> Result<(Vec<u8>, Digest), Error> {
    let tag = image.tag()?;
    let layer = build_layer(&image.files)?;
    let mut blobs = Blobs::default();
    let config = blobs.add_json("configuration", CONFIG_TYPE, &build_config(image, &layer))?;
    let layer = blobs.add(LAYER_TYPE, layer.blob);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config.json(), "layers": [layer.json()],
    });
    let manifest = blobs.add_json("manifest", MANIFEST_TYPE, &manifest)?;
    let index = build_index(&manifest, &image.reference, tag);
    Ok((pack(&blobs, &index)?, manifest.digest))
}

fn build_config(image: &Image, layer: &Layer) -> Value {
    let env: Vec<String> = image.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    json!({
        "created": CREATED,
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "User": image.user,
            "Env": env,
            "Entrypoint": image.entrypoint,
            "Cmd": image.cmd,
            "WorkingDir": "/",
            "Labels": image.labels,
        },
        "rootfs": { "type": "layers", "diff_ids": [layer.diff_id.to_string()] },
        "history": [{ "created": CREATED, "created_by": "metallb-oci" }],
    })
}

/// containerd takes the first annotation as the image's whole name; the second is the specification's tag.
fn build_index(manifest: &Descriptor, reference: &str, tag: &str) -> Value {
    let entry = json!({
        "mediaType": manifest.media_type,
        "digest": manifest.digest.to_string(),
        "size": manifest.size,
        "platform": { "architecture": architecture(), "os": "linux" },
        "annotations": { "io.containerd.image.name": reference, "org.opencontainers.image.ref.name": tag },
    });
    json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry] })
}

/// The specification uses the names of Go's `GOARCH`.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn pack(blobs: &Blobs, index: &Value) -> Result<Vec<u8>, Error> {
    let mut tar = Tar::new();
    tar.add_file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    tar.add_file("index.json", 0o644, &to_json("index", index)?)?;
    tar.add_directory("blobs")?;
    tar.add_directory("blobs/sha256")?;
    for (digest, blob) in &blobs.by_digest {
        tar.add_file(&format!("blobs/sha256/{}", digest.hex()), 0o644, blob)?;
    }
    tar.finish()
}

fn to_json(what: &'static str, value: &Value) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|source| Error::Json(what, source))
}

/// Blobs in order of their digest.
#[derive(Default)]
struct Blobs {
    by_digest: BTreeMap<Digest, Vec<u8>>,
}

impl Blobs {
    fn add(&mut self, media_type: &'static str, blob: Vec<u8>) -> Descriptor {
        let descriptor = Descriptor { media_type, digest: Digest::of(&blob), size: blob.len() };
        self.by_digest.insert(descriptor.digest.clone(), blob);
        descriptor
    }

    fn add_json(
        &mut self,
        what: &'static str,
        media_type: &'static str,
        value: &Value,
    ) -> Result<Descriptor, Error> {
        Ok(self.add(media_type, to_json(what, value)?))
    }
}

/// How one document of an image points to another.
struct Descriptor {
    media_type: &'static str,
    digest: Digest,
    size: usize,
}

impl Descriptor {
    fn json(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest.to_string(), "size": self.size })
    }
}

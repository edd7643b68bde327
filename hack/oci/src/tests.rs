use std::collections::BTreeMap;
use std::io::Read as _;

use serde_json::Value;

use crate::archive::build_archive;
use crate::{Content, Digest, Error, File, Image, tag_of, write_archive};

fn file(path: &str, mode: u32, content: &str) -> File {
    File { path: path.to_owned(), mode, content: Content::Bytes(content.as_bytes().to_vec()) }
}

fn image(files: Vec<File>) -> Image {
    Image {
        reference: "localhost/example/thing:dev".to_owned(),
        entrypoint: vec!["/thing".to_owned()],
        user: "65532:65532".to_owned(),
        labels: BTreeMap::from([("org.opencontainers.image.title".to_owned(), "thing".to_owned())]),
        files,
        ..Image::default()
    }
}

fn unpack(tar: &[u8]) -> BTreeMap<String, Entry> {
    let mut archive = tar::Archive::new(tar);
    let mut entries = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let found = Entry {
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            mtime: header.mtime().unwrap(),
            content,
        };
        assert!(entries.insert(path, found).is_none(), "a path is packed twice");
    }
    entries
}

struct Entry {
    mode: u32,
    owner: (u64, u64),
    mtime: u64,
    content: Vec<u8>,
}

struct Unpacked {
    entries: BTreeMap<String, Entry>,
}

impl Unpacked {
    fn of(image: &Image) -> Self {
        Self { entries: unpack(&build_archive(image).unwrap().0) }
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.entries[path].content).unwrap()
    }

    fn blob(&self, descriptor: &Value) -> &[u8] {
        let digest = descriptor["digest"].as_str().unwrap();
        let blob = &self.entries[&format!("blobs/{}", digest.replace(':', "/"))].content;
        assert_eq!(Digest::of(blob).to_string(), digest, "a blob is not what its name says");
        assert_eq!(descriptor["size"], blob.len());
        blob
    }

    fn blob_json(&self, descriptor: &Value) -> Value {
        serde_json::from_slice(self.blob(descriptor)).unwrap()
    }

    fn manifest(&self) -> Value {
        self.blob_json(&self.json("index.json")["manifests"][0])
    }

    fn layer(&self) -> Vec<u8> {
        let manifest = self.manifest();
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(self.blob(&manifest["layers"][0])).read_to_end(&mut plain).unwrap();
        plain
    }
}

#[test]
fn same_input_gives_the_same_bytes_and_digest() {
    let image = image(vec![file("/thing", 0o755, "x"), file("/etc/thing.conf", 0o644, "y")]);
    assert_eq!(build_archive(&image).unwrap(), build_archive(&image).unwrap());
}

#[test]
fn order_and_leading_slash_of_files_do_not_matter() {
    let one = image(vec![file("/a", 0o755, "x"), file("/b", 0o644, "y")]);
    let other = image(vec![file("b", 0o644, "y"), file("a", 0o755, "x")]);
    assert_eq!(build_archive(&one).unwrap(), build_archive(&other).unwrap());
}

#[test]
fn the_same_bytes_from_a_file_or_from_memory_are_the_same_image() {
    let folder = Folder::new("source");
    let source = folder.path("thing");
    std::fs::write(&source, "x").unwrap();
    let from_file = File { path: "/thing".to_owned(), mode: 0o755, content: Content::Source(source) };
    let (_, from_file) = build_archive(&image(vec![from_file])).unwrap();
    let (_, from_memory) = build_archive(&image(vec![file("/thing", 0o755, "x")])).unwrap();
    assert_eq!(from_file, from_memory);
}

#[test]
fn whatever_differs_changes_the_digest() {
    let base = image(vec![file("/thing", 0o755, "x")]);
    let mut others: Vec<Image> = (0..6).map(|_| base.clone()).collect();
    others[0].files[0].content = Content::Bytes(b"y".to_vec());
    others[1].files[0].mode = 0o644;
    others[2].files[0].path = "/other".to_owned();
    others[3].user = "0:0".to_owned();
    others[4].labels.clear();
    others[5].env.insert("A".to_owned(), "b".to_owned());
    let (_, digest) = build_archive(&base).unwrap();
    for other in others {
        assert_ne!(build_archive(&other).unwrap().1, digest, "{other:?}");
    }
}

#[test]
fn the_layout_is_whole_and_every_blob_is_what_its_name_says() {
    let unpacked = Unpacked::of(&image(vec![file("/thing", 0o755, "x")]));
    assert_eq!(unpacked.json("oci-layout")["imageLayoutVersion"], "1.0.0");
    let manifest = unpacked.manifest();
    let config = unpacked.blob_json(&manifest["config"]);
    assert_eq!(config["rootfs"]["diff_ids"][0], Digest::of(&unpacked.layer()).to_string());
    assert_eq!(config["config"]["Entrypoint"][0], "/thing");
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.title"], "thing");
    assert_eq!(config["os"], "linux");
}

#[test]
fn the_index_carries_the_full_name_for_containerd_and_the_tag_for_others() {
    let unpacked = Unpacked::of(&image(vec![]));
    let annotations = &unpacked.json("index.json")["manifests"][0]["annotations"];
    assert_eq!(annotations["io.containerd.image.name"], "localhost/example/thing:dev");
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "dev");
}

#[test]
fn the_returned_digest_is_that_of_the_manifest() {
    let folder = Folder::new("digest");
    let path = folder.path("image.tar");
    let image = image(vec![file("/thing", 0o755, "x")]);
    let digest = write_archive(&image, &path).unwrap();
    let unpacked = Unpacked { entries: unpack(&std::fs::read(&path).unwrap()) };
    assert_eq!(unpacked.json("index.json")["manifests"][0]["digest"], digest.to_string());
}

#[test]
fn modes_are_kept_and_nothing_of_this_machine_shows() {
    let files = vec![file("/bin/thing", 0o750, "x"), file("/etc/deep/thing.conf", 0o604, "y")];
    let entries = unpack(&Unpacked::of(&image(files)).layer());
    let modes: Vec<(&str, u32)> = entries.iter().map(|(path, entry)| (path.as_str(), entry.mode)).collect();
    let expected = [
        ("bin/", 0o755),
        ("bin/thing", 0o750),
        ("etc/", 0o755),
        ("etc/deep/", 0o755),
        ("etc/deep/thing.conf", 0o604),
    ];
    assert_eq!(modes, expected);
    assert_eq!(entries["bin/thing"].content, b"x");
    assert!(entries.values().all(|entry| entry.owner == (0, 0) && entry.mtime == 0));
}

#[test]
fn paths_that_leave_the_root_or_have_two_meanings_are_refused() {
    for path in ["", "/", "..", "../x", "/a/../../x", "/a/./b", "//a", "a//b", "a/", "a\0b", "a\\b"] {
        let refused = build_archive(&image(vec![file(path, 0o755, "x")]));
        assert!(matches!(refused, Err(Error::UnsafePath(_))), "{path:?}: {refused:?}");
    }
}

#[test]
fn two_files_in_one_place_are_refused() {
    for pair in [["/a", "a"], ["/a", "/a/b"], ["/a/b/c", "/a"]] {
        let files = pair.iter().map(|path| file(path, 0o755, "x")).collect();
        let refused = build_archive(&image(files));
        assert!(matches!(refused, Err(Error::Collision(_))), "{pair:?}: {refused:?}");
    }
}

#[test]
fn names_without_registry_or_tag_are_refused() {
    for reference in [
        "",
        "thing",
        "thing:dev",
        "localhost/thing",
        "localhost/:dev",
        "/b:dev",
        "a/b:",
        "a/b c:dev",
        "a/b:d e",
        "a/b:c:dev",
        "a:/b:dev",
        "a:x/b:dev",
        "a//b:dev",
    ] {
        let refused = build_archive(&Image { reference: reference.to_owned(), ..Image::default() });
        assert!(matches!(refused, Err(Error::Reference(_))), "{reference:?}: {refused:?}");
    }
}

#[test]
fn the_tag_is_what_follows_the_name_not_the_port() {
    for reference in
        ["localhost/thing:v1", "registry.example:5000/a/thing:v1", "registry.example/a_b/c-d.e:v1"]
    {
        assert_eq!(tag_of(reference).unwrap(), "v1");
    }
}

#[test]
fn a_missing_source_is_named() {
    let folder = Folder::new("missing");
    let content = Content::Source(folder.path("absent"));
    let image = image(vec![File { path: "/thing".to_owned(), mode: 0o755, content }]);
    let refused = write_archive(&image, &folder.path("image.tar")).unwrap_err();
    assert!(refused.to_string().contains("absent"), "{refused}");
    assert!(!folder.path("image.tar").exists());
}

/// A folder of one test, removed at its end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("metallb-oci-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

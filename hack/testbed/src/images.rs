//! The two images every bed has: the pause program of pods, and a web server that says who answered whom.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use metallb_oci::{Content, File, Image, write_archive};

use crate::cache;
use crate::go::{self, go_program_in};
use crate::machine::INIT_SOURCE;

/// The image of pod sandboxes.
pub const PAUSE: &str = "testbed.local/pause:1";

/// A web server on port 8080, v4 and v6. `GET /` answers with one line: the host name of the pod and
/// the address of the client as the pod saw it. `/bin/busybox` has `sleep`, `nc` and others too.
pub const WEB: &str = "testbed.local/web:1";

/// A static one is needed: the image holds nothing else.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

/// The archives of both images, from the cache; missing ones are made first.
pub(crate) fn archives(cache: &Path, init: &Path) -> Result<Vec<PathBuf>> {
    let busybox = fs::metadata(BUSYBOX).with_context(|| format!("cannot find {BUSYBOX}"))?;
    let stamp = format!("{} {} {}", env!("CARGO_PKG_VERSION"), busybox.len(), busybox.mtime());
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let key = cache::key(&[INIT_SOURCE.as_bytes(), go::source_key(&module)?.as_bytes(), stamp.as_bytes()]);
    let images = [("pause.tar", pause(init)), ("web.tar", web(go_program_in(cache, &module)?))];
    let folder = cache::entry(cache, &format!("images-{key}"), |out| {
        for (file, image) in &images {
            write_archive(image, &out.join(file))
                .with_context(|| format!("cannot make {}", image.reference))?;
        }
        Ok(())
    })?;
    Ok(images.iter().map(|(file, _)| folder.join(file)).collect())
}

fn pause(init: &Path) -> Image {
    image(PAUSE, &["/pause"], &[], vec![executable("/pause", Content::Source(init.to_owned()))])
}

fn web(server: PathBuf) -> Image {
    let files = vec![
        executable("/bin/busybox", Content::Source(PathBuf::from(BUSYBOX))),
        executable("/bin/web", Content::Source(server)),
    ];
    image(WEB, &["/bin/web"], &[], files)
}

fn image(reference: &str, entrypoint: &[&str], cmd: &[&str], files: Vec<File>) -> Image {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Image {
        reference: reference.to_owned(),
        entrypoint: words(entrypoint),
        cmd: words(cmd),
        env: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]),
        files,
        ..Image::default()
    }
}

fn executable(path: &str, content: Content) -> File {
    File { path: path.to_owned(), mode: 0o755, content }
}

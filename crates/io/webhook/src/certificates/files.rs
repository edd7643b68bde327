//! Certificates from files that somebody else keeps fresh (`--disable-cert-rotation`).

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;

use super::bundle;
use super::presenter::Presenter;

/// Files are looked at this often: a kubelet swaps those of a Secret within a minute or two.
const LOOK: Duration = Duration::from_secs(10);

/// The files can't be used.
#[derive(Debug, thiserror::Error)]
enum FilesError {
    #[error("reading {0}: {1}")]
    Read(&'static str, io::Error),
    #[error("tls.key: {0}")]
    Key(rustls::pki_types::pem::Error),
    #[error("tls.crt and tls.key: {0}")]
    Pair(rustls::Error),
}

/// Presents `tls.crt` and `tls.key` of a folder, and what replaces them; for ever. Unusable files change nothing: an
/// older certificate serves better than none. `report` hears after each look whether there is one, and what is wrong with the files.
pub async fn follow_files(
    folder: &Path,
    presenter: &Presenter,
    report: impl Fn(Result<(), String>, Option<&str>) + Send,
) {
    let mut pace = tokio::time::interval(LOOK);
    let mut said = None;
    loop {
        pace.tick().await;
        let trouble = match read(folder) {
            Ok(pair) => {
                present(presenter, pair);
                None
            }
            Err(error) => Some(format!("{}: {error}", folder.display())),
        };
        let missing = trouble.clone().filter(|_| presenter.presented().is_none());
        if let Some(reason) = trouble.as_ref().filter(|_| missing.is_none() && said != trouble) {
            tracing::warn!(reason, "certificate unusable, keeping the one in use");
        }
        report(missing.map_or(Ok(()), Err), trouble.as_deref());
        said = trouble;
    }
}

fn present(presenter: &Presenter, pair: CertifiedKey) {
    if presenter.presented().is_none_or(|presented| presented.cert != pair.cert) {
        tracing::info!("webhook certificate read");
        presenter.present(pair);
    }
}

fn read(folder: &Path) -> Result<CertifiedKey, FilesError> {
    let file = |name| fs::read(folder.join(name)).map_err(|error| FilesError::Read(name, error));
    let (chain, key) = (bundle::certificates(&file("tls.crt")?), file("tls.key")?);
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(FilesError::Key)?;
    CertifiedKey::from_der(chain, key, &bundle::provider()).map_err(FilesError::Pair)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Pair, generate_simple_self_signed};
    use tokio::sync::watch;

    use super::*;

    fn write(folder: &Path) -> String {
        let Pair { cert, signing_key } = generate_simple_self_signed(["x".to_owned()]).unwrap();
        fs::write(folder.join("tls.crt"), cert.pem()).unwrap();
        fs::write(folder.join("tls.key"), signing_key.serialize_pem()).unwrap();
        cert.pem()
    }

    fn presents(presenter: &Presenter, pem: &str) -> bool {
        presenter.presented().is_some_and(|shown| shown.cert == bundle::certificates(pem.as_bytes()))
    }

    #[tokio::test(start_paused = true)]
    async fn files_of_the_folder_are_presented_replaced_and_never_given_up_d19() {
        let folder = std::env::temp_dir().join(format!("metallb-webhook-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (presenter, place) = (Presenter::default(), folder.clone());
        let (say, mut verdict) = watch::channel((Ok(()), None));
        let shown = presenter.clone();
        let task = tokio::spawn(async move {
            follow_files(&place, &shown, move |outcome, trouble| {
                drop(say.send_replace((outcome, trouble.map(str::to_owned))));
            })
            .await;
        });
        let is_missing = |(outcome, _): &(Result<(), String>, Option<String>)| {
            outcome.as_ref().is_err_and(|why| why.contains("tls.crt"))
        };
        verdict.wait_for(is_missing).await.unwrap();
        for _ in 0..2 {
            let pem = write(&folder);
            while !presents(&presenter, &pem) {
                verdict.changed().await.unwrap();
            }
            assert_eq!(*verdict.borrow(), (Ok(()), None));
        }
        let before = presenter.presented().unwrap();
        fs::write(folder.join("tls.key"), "rubbish").unwrap();
        verdict.borrow_and_update();
        verdict.changed().await.unwrap();
        verdict.changed().await.unwrap();
        assert_eq!(presenter.presented().unwrap().cert, before.cert);
        let (outcome, trouble) = verdict.borrow().clone();
        assert!(outcome.is_ok() && trouble.is_some_and(|why| why.contains("tls.key")));
        task.abort();
        fs::remove_dir_all(folder).unwrap();
    }
}

//! JSON lines on standard output: `ts`, `level`, `caller`, `msg`, then the event's own fields.

mod lines;

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use lines::Lines;

/// Has the lines written, from [`init`] to [`finish`].
static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);

/// How much is logged: the values of `--log-level`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// Everything, also what libraries say at debug level.
    All,
    /// Decisions as well.
    Debug,
    /// Transitions.
    Info,
    /// What may need a look.
    Warn,
    /// What failed.
    Error,
    /// Nothing.
    None,
}

/// A level nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("invalid log level {0:?}: use one of all, debug, info, warn, error, none")]
pub struct UnknownLevel(String);

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        Ok(match text {
            "all" => Self::All,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" => Self::Warn,
            "error" => Self::Error,
            "none" => Self::None,
            other => return Err(UnknownLevel(other.to_owned())),
        })
    }
}

impl Level {
    /// Our own lines at this level; libraries' from `warn` up, or all of theirs with `all`. The API client's are
    /// left out: it logs every failed try, which whoever tries again tells once and better.
    fn filter(self) -> EnvFilter {
        let directives = match self {
            Self::All => "debug",
            Self::Debug => "warn,kube_client=off,kube_runtime::watcher=off,metallb=debug",
            Self::Info => "warn,kube_client=off,kube_runtime::watcher=off,metallb=info",
            Self::Warn => "warn,kube_client=off,kube_runtime::watcher=off",
            Self::Error => "error,kube_client=off,kube_runtime::watcher=off",
            Self::None => "off",
        };
        // EnvFilter matches targets by prefix: `metallb` covers every metallb_* crate.
        EnvFilter::builder().with_default_directive(LevelFilter::OFF.into()).parse_lossy(directives)
    }
}

/// Sends everything logged from now on to standard output. Nobody waits for that to be read: what is too much meanwhile is
/// lost, and told of afterwards. A second call changes nothing.
pub fn init(level: Level) {
    let mut writer = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
    if writer.is_some() {
        return;
    }
    let (lines, guard) = Lines::start(std::io::stdout(), lines::WAITING);
    let layer = tracing_subscriber::fmt::layer()
        .event_format(JsonLine)
        .with_writer(move || lines.clone())
        .with_filter(level.filter());
    // Already set means that a test did it, which is fine.
    if tracing_subscriber::registry().with(layer).try_init().is_ok() {
        *writer = Some(guard);
    }
}

/// Waits until everything logged is written, unless nobody reads it. To be called before the process ends: what is logged
/// afterwards is lost.
pub fn finish() {
    let writer = WRITER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(writer) = writer {
        lines::flush(writer);
    }
}

/// The contract's line format (contract 01 §6).
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writeln!(out, "{}", Value::Object(line(event)))
    }
}

fn line(event: &Event<'_>) -> Map<String, Value> {
    let metadata = event.metadata();
    let mut fields = Fields(Map::new());
    fields.0.insert("ts".to_owned(), timestamp().into());
    fields.0.insert("level".to_owned(), metadata.level().as_str().to_ascii_lowercase().into());
    fields.0.insert("caller".to_owned(), caller(metadata).into());
    event.record(&mut fields);
    fields.0
}

fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn caller(metadata: &tracing::Metadata<'_>) -> String {
    let file = metadata.file().and_then(|path| path.rsplit('/').next()).unwrap_or(metadata.target());
    metadata.line().map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let name = if field.name() == "message" { "msg" } else { field.name() };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, chain(value).into());
    }
}

/// An error and its causes, outermost first, as one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let message = inner.to_string();
        // Libraries often repeat their cause in their own message.
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: Level, log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let sink = buffer.clone();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(JsonLine)
            .with_writer(move || sink.clone())
            .with_filter(level.filter());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_is_json_with_the_keys_of_the_contract() {
        let text = logged(Level::Info, || tracing::info!(service = "default/web", ips = 2, "assigned"));
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "info");
        assert_eq!(line["msg"], "assigned");
        assert_eq!(line["service"], "default/web");
        assert_eq!(line["ips"], 2);
        assert!(line["caller"].as_str().unwrap().starts_with("logs.rs:"), "{line}");
        assert!(line["ts"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
    }

    #[test]
    fn each_level_lets_through_what_it_names_and_no_more() {
        let all = || {
            tracing::debug!("d");
            tracing::info!("i");
            tracing::warn!("w");
            tracing::error!("e");
            tracing::warn!(target: "hyper", "library warning");
            tracing::debug!(target: "hyper", "library debug");
            tracing::error!(target: "kube_client::client::builder", "a try failed");
        };
        for (level, lines) in [
            (Level::All, 7),
            (Level::Debug, 5),
            (Level::Info, 4),
            (Level::Warn, 3),
            (Level::Error, 1),
            (Level::None, 0),
        ] {
            assert_eq!(logged(level, all).lines().count(), lines, "{level:?}");
        }
    }

    #[test]
    fn every_level_of_the_contract_parses_and_others_are_refused_by_name() {
        for text in ["all", "debug", "info", "warn", "error", "none"] {
            assert!(text.parse::<Level>().is_ok(), "{text}");
        }
        assert!("verbose".parse::<Level>().unwrap_err().to_string().contains("\"verbose\""));
    }
}

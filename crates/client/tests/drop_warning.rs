//! The warning of a writer that is dropped without close. It has a program of its own because tracing remembers for
//! the whole process whether anybody listens.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use freshet_client::Client;
use tracing::field::{Field, Visit};

/// Keeps the fields of each event at level WARN.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{field}={value:?};");
    }
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_writer_dropped_without_close_warns_of_its_lines() {
    let warnings = Warnings::default();
    tracing::subscriber::set_global_default(warnings.clone()).unwrap();
    let client = Client::builder("http://127.0.0.1:1").environment_proxy(false).build().unwrap();

    let writer = client.batch_writer("b").start().unwrap();
    writer.close().await.unwrap();
    drop(writer);
    assert!(warnings.0.lock().unwrap().is_empty(), "a closed writer has nothing to warn of");

    let writer = client.batch_writer("b").interval(Duration::MAX).start().unwrap();
    writer.write("m f=1\nm f=2").await.unwrap();
    drop(writer);
    let warnings = warnings.0.lock().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("lines_pending=2") && warnings[0].contains("without close"), "{warnings:?}");
}

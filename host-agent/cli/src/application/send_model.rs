//! Sending a signed model to the box.

use std::time::{Duration, Instant};

use obscura_local::agent::{LinkCommand, LinkEvent};
use obscura_protocol::transfer::{ObjectHeader, chunk_range};

use super::words::Places;
use crate::{
    error::CliError,
    ports::{Activity, Face, Link},
};

/// The face is told at least this often.
const TICK: Duration = Duration::from_secs(1);
const KEPT: &str = "What has arrived is kept for some days: run the command again and it goes on from there";

/// A model whose signatures hold under this device's root.
pub(crate) struct SignedModel {
    /// Model id from the verified manifest.
    pub(crate) model_id: String,
    /// Model version from the verified manifest.
    pub(crate) version: String,
    /// Security counter from the verified manifest.
    pub(crate) security_counter: u32,
    /// What the box is offered.
    pub(crate) object: ObjectHeader,
    /// The whole file.
    pub(crate) bytes: Vec<u8>,
}

/// What it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Bytes sent in this run.
    pub(crate) bytes: u64,
    /// The run's time.
    pub(crate) time: Duration,
}

/// Sends until the box says that it has the whole model.
///
/// # Errors
/// [`CliError::Refused`], [`CliError::BoxTooOld`], or [`CliError::Unreachable`] when nothing moves for `patience`.
pub(crate) fn send_model(
    link: &mut dyn Link,
    face: &mut dyn Face,
    places: &Places,
    model: &SignedModel,
    patience: Duration,
) -> Result<Sent, CliError> {
    let object = model.object;
    link.tell(LinkCommand::SendModel { object })?;
    let began = Instant::now();
    let (mut moved, mut there, mut trouble) = (began, None, None::<String>);
    let done = loop {
        let event = link.next(TICK.min(patience))?;
        if matches!(
            event,
            Some(LinkEvent::Uploading { .. } | LinkEvent::NeedChunk { .. })
        ) {
            (moved, trouble) = (Instant::now(), None);
        }
        match event {
            Some(LinkEvent::NeedChunk { index, .. }) => {
                let bytes = chunk(model, index);
                let object = object.digest;
                link.tell(LinkCommand::Chunk { object, index, bytes })?;
            }
            Some(LinkEvent::Uploading { done_bytes, .. }) => there = Some(done_bytes),
            Some(LinkEvent::ModelStored { sent_bytes }) => break Ok(sent_bytes),
            Some(LinkEvent::Refused { code }) => break Err(CliError::Refused { code }),
            Some(LinkEvent::BoxTooOld { speaks, needs }) => {
                let box_name = places.box_name.clone();
                break Err(CliError::BoxTooOld {
                    box_name,
                    speaks,
                    needs,
                });
            }
            Some(event) => {
                if let Some(what) = in_the_way(&event, places) {
                    if trouble.as_ref() != Some(&what) {
                        face.note(&format!("{what}, trying again"));
                    }
                    trouble = Some(what);
                }
            }
            None => {}
        }
        if moved.elapsed() >= patience {
            break Err(CliError::Unreachable {
                what: trouble.unwrap_or_else(|| format!("{} does not answer", places.box_name)),
                waited_s: patience.as_secs(),
                kept: KEPT.to_owned(),
            });
        }
        let detail = trouble.as_deref().unwrap_or_default();
        match there {
            Some(done) => face.progress(Activity::Model, done, object.len_bytes, detail),
            None => face.progress(Activity::Box, 0, 0, detail),
        }
    };
    face.finished();
    done.map(|bytes| Sent {
        bytes,
        time: began.elapsed(),
    })
}

/// Nothing for a number outside the model; the link then sends nothing.
fn chunk(model: &SignedModel, index: u32) -> Vec<u8> {
    let range = chunk_range(model.object.len_bytes, index).and_then(|range| {
        let (start, end) = (
            usize::try_from(range.start).ok()?,
            usize::try_from(range.end).ok()?,
        );
        model.bytes.get(start..end)
    });
    range.unwrap_or_default().to_vec()
}

/// Why nothing moves now.
fn in_the_way(event: &LinkEvent, places: &Places) -> Option<String> {
    match event {
        LinkEvent::Offline { cause, .. } => Some(places.offline(*cause)),
        LinkEvent::BoxSilent { .. } => Some(format!("{} does not answer", places.box_name)),
        LinkEvent::Delayed { code, .. } => Some(code.to_string()),
        LinkEvent::Denied => Some(format!("{} does not let this device publish", places.way)),
        _ => None,
    }
}

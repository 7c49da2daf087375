//! Notes as log lines: names and numbers, never payloads.

use crate::ports::Note;

/// Writes one note.
pub(super) fn write(note: &Note) {
    match note {
        Note::UnknownDevices { messages } => {
            tracing::warn!(messages, "messages on topics of devices outside the roster");
        }
        Note::Unauthenticated {
            messages,
            device,
            code,
        } => tracing::warn!(messages, %device, reason = %code, "messages without a proven sender"),
        Note::Refused { device, code } => tracing::warn!(%device, reason = %code, "refused"),
        Note::SessionOpened { device } => tracing::info!(%device, "session opened"),
        Note::KeysStored {
            device,
            client,
            len_bytes,
        } => {
            tracing::info!(%device, client = %format_args!("{client:.8}"), len_bytes, "keys stored");
        }
        Note::KeysRemoved { device, client } => {
            tracing::info!(%device, client = %format_args!("{client:.8}"), "keys removed");
        }
        Note::BundleStored {
            device,
            object,
            len_bytes,
        } => {
            let object = format_args!("{object:.16}");
            tracing::info!(%device, %object, len_bytes, "model bundle waits for the next start");
        }
        Note::BundleDropped { device, object } => {
            tracing::info!(%device, object = %format_args!("{object:.16}"), "model bundle dropped");
        }
        Note::JobAccepted { device, job, items } => {
            tracing::info!(%device, job = %format_args!("{job:.8}"), items, "job accepted");
        }
        Note::ItemAnswered { device, job, item } => {
            tracing::info!(%device, job = %format_args!("{job:.8}"), item, "item answered");
        }
        Note::ItemDead {
            device,
            job,
            item,
            code,
        } => {
            tracing::warn!(%device, job = %format_args!("{job:.8}"), item, reason = %code, "item given up");
        }
        Note::ItemStopped {
            device,
            job,
            item,
            why,
        } => {
            tracing::info!(%device, job = %format_args!("{job:.8}"), item, reason = ?why, "item stopped");
        }
        Note::WorkRepeated { attempts } => tracing::warn!(attempts, "work is queued again"),
    }
}

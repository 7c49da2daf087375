//! Having the box forget this device's keys.

use std::time::{Duration, Instant};

use obscura_local::agent::{LinkCommand, LinkEvent};

use super::words::Places;
use crate::{
    error::CliError,
    ports::{Activity, Face, Link},
};

/// The face is told at least this often.
const TICK: Duration = Duration::from_secs(1);
const NOT_YET: &str = "The box may still hold keys of this device: run the command again";

/// Asks until the box says how many objects it forgot.
///
/// # Errors
/// [`CliError::Refused`], or [`CliError::Unreachable`] after `patience`.
pub(crate) fn revoke_keys(
    link: &mut dyn Link,
    face: &mut dyn Face,
    places: &Places,
    patience: Duration,
) -> Result<u32, CliError> {
    link.tell(LinkCommand::RevokeKeys)?;
    let began = Instant::now();
    let mut trouble = None;
    loop {
        match link.next(TICK.min(patience))? {
            Some(LinkEvent::KeysRevoked { objects }) => {
                face.finished();
                return Ok(objects);
            }
            Some(LinkEvent::Refused { code }) => {
                face.finished();
                return Err(CliError::Refused { code });
            }
            Some(LinkEvent::Offline { cause, .. }) => {
                let what = places.offline(cause);
                if trouble.as_ref() != Some(&what) {
                    face.note(&format!("{what}, retrying"));
                }
                trouble = Some(what);
            }
            Some(LinkEvent::Online) => trouble = None,
            _ => {}
        }
        if began.elapsed() >= patience {
            face.finished();
            return Err(CliError::Unreachable {
                what: trouble.unwrap_or_else(|| format!("{} does not answer", places.box_name)),
                waited_s: patience.as_secs(),
                kept: NOT_YET.to_owned(),
            });
        }
        face.progress(Activity::Box, 0, 0, trouble.as_deref().unwrap_or_default());
    }
}

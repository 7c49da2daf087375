//! What the agent's processes say to each other: the command line to the vault, and to the link.
//!
//! The command line is in the middle: vault and link never meet. Everything that is secret or speaks of
//! a patient hides itself in `Debug`.

mod given;
mod link;
mod result;
mod vault;
mod view;

pub use given::{Pixels, Record, Secret, Value};
pub use link::{LinkCommand, LinkEvent, OfflineCause, ResumedJob, Wanted};
pub use result::{ClassShare, Comparison, Outcome, Reading, ScanNote, ScanOutcome, ScanReading};
pub use vault::{OpenJob, VaultFault, VaultReply, VaultRequest, VaultStatus};
pub use view::{ContractView, FieldTakes, FieldView, ImageView, LicenceView, Problem, ReadsView};

/// Largest frame between the agent's processes: the pixels of an image, or one chunk of a key object.
pub const MAX_FRAME_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn debug_hides_passwords_records_and_readings() {
        let record = Record(vec![("age_years".into(), Value::Number(61.0))]);
        let requests = [
            VaultRequest::Open {
                password: Secret(Zeroizing::new(b"hunter2".to_vec())),
                create: false,
            },
            VaultRequest::Encrypt {
                label: "r".into(),
                record,
            },
        ];
        let shown = format!("{requests:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("104") && !shown.contains("61"),
            "{shown}"
        );
        let pixels = Pixels(Zeroizing::new(vec![61; 3]));
        assert_eq!(format!("{pixels:?}"), "Pixels(3 bytes)");
        let reading = Reading {
            score: 424_242,
            probability: 77,
            probability_scale: 4096,
            positive: true,
        };
        assert_eq!(format!("{reading:?}"), "Reading(..)");
    }

    #[test]
    fn a_secret_survives_the_wire() {
        let sent = Secret(Zeroizing::new(vec![1, 2, 3]));
        let bytes = obscura_protocol::codec::encode(&sent);
        let got: Secret = obscura_protocol::codec::decode(&bytes, 64).unwrap();
        assert_eq!(*got.0, [1, 2, 3]);
    }
}

//! Hashes whole objects on threads of their own: a bundle has up to 64 MiB, and the loop waits for nothing.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use obscura_protocol::identity::{ClientId, Digest};
use sha2::{Digest as _, Sha256};

use super::{
    intake::{Input, Intake},
    store::Store,
};
use crate::ports::Event;

/// Bytes read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Starts one thread per object; the state machine asks for at most one object of each device at a time.
pub(super) struct Hasher {
    folder: PathBuf,
    inputs: Arc<Intake>,
}

impl Hasher {
    /// Reads objects of the store in `folder`.
    pub(super) fn new(folder: PathBuf, inputs: Arc<Intake>) -> Self {
        Self { folder, inputs }
    }

    /// Begins; what it found comes as an input, or at once when there is no thread.
    pub(super) fn start(&self, client: ClientId) -> Option<Event> {
        let path = Store::data_path(&self.folder, &client);
        let inputs = Arc::clone(&self.inputs);
        let started = thread::Builder::new().name("hash".to_owned()).spawn(move || {
            let digest = sha256(&path)
                .inspect_err(|error| tracing::error!(%error, "an object cannot be read"))
                .ok();
            // The loop may have ended.
            let _ = inputs.word(Input::Event(Event::Hashed { client, digest }));
        });
        started.err().map(|error| {
            tracing::error!(%error, "no thread to hash an object");
            Event::Hashed { client, digest: None }
        })
    }
}

fn sha256(path: &Path) -> io::Result<Digest> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Digest(hash.finalize().into())),
            read => hash.update(&piece[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;

    /// What a hasher says of the object of client 1 in a store with these bytes.
    fn hashed(bytes: Option<&[u8]>) -> Option<Digest> {
        let folder = tempfile::tempdir().unwrap();
        let client = ClientId([1; 16]);
        if let Some(bytes) = bytes {
            let path = Store::data_path(folder.path(), &client);
            fs::create_dir(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let inputs = Arc::new(Intake::new());
        let hasher = Hasher::new(folder.path().to_owned(), Arc::clone(&inputs));
        assert!(hasher.start(client).is_none());
        match inputs.next_within(Duration::from_secs(20)) {
            Input::Event(Event::Hashed { client: of, digest }) => {
                assert_eq!(of, client);
                digest
            }
            _ => panic!("another input"),
        }
    }

    #[test]
    fn reads_an_object_to_its_end_whatever_its_length() {
        for len in [0, 1, PIECE_BYTES, 3 * PIECE_BYTES + 7] {
            let bytes: Vec<u8> = (0..len).map(|n| n.to_le_bytes()[0]).collect();
            assert_eq!(hashed(Some(&bytes)), Some(Digest::of(&bytes)), "{len} bytes");
        }
    }

    #[test]
    fn says_that_an_object_cannot_be_read() {
        assert_eq!(hashed(None), None);
    }
}

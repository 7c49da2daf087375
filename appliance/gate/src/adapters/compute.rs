//! Compute behind its local socket: connects again whenever it died.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use obscura_local::{
    Channel, ChannelError,
    appliance::{ComputeReply, ComputeRequest, MAX_FRAME_BYTES, PIECE_BYTES},
};
use obscura_protocol::transfer::ObjectHeader;

use super::{
    intake::{Input, Intake},
    store::Store,
};
use crate::ports::{Event, Task};

/// How long one attempt to connect lasts.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the compute thread is told.
pub(super) enum Command {
    /// Do this, if the connection is still the one it was meant for.
    Do { connection: u64, task: Task },
    /// The reading side of this connection ended.
    Ended { connection: u64 },
}

/// Starts the thread. Tasks of former connections are dropped: the gate hears that compute is down and
/// gives them again.
pub(super) fn start(
    socket: PathBuf,
    store_folder: PathBuf,
    inputs: Arc<Intake>,
) -> std::io::Result<mpsc::Sender<Command>> {
    let (commands, received) = mpsc::channel();
    let own = commands.clone();
    thread::Builder::new().name("compute".to_owned()).spawn(move || {
        for connection in 1.. {
            let result = converse(&socket, &store_folder, connection, &own, &received, &inputs);
            match result {
                Ok(()) => return,
                Err(Broken::Never(error)) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "compute is not there yet"
                    );
                }
                Err(Broken::After) => {
                    tracing::warn!("compute is gone, connecting again");
                    if inputs.word(Input::Event(Event::ComputeDown)).is_err() {
                        return;
                    }
                }
            }
        }
    })?;
    Ok(commands)
}

enum Broken {
    /// It never worked.
    Never(ChannelError),
    /// The gate was told that compute is up.
    After,
}

/// One connection; `Ok` when the gate itself is gone.
fn converse(
    socket: &Path,
    store_folder: &Path,
    connection: u64,
    own: &mpsc::Sender<Command>,
    commands: &mpsc::Receiver<Command>,
    inputs: &Arc<Intake>,
) -> Result<(), Broken> {
    let (mut channel, models) = greet(socket).map_err(Broken::Never)?;
    let reader = channel.try_clone().map_err(Broken::Never)?;
    if inputs.word(Input::ComputeUp { connection, models }).is_err() {
        return Ok(());
    }
    let (ended, replies) = (own.clone(), Arc::clone(inputs));
    let reading = thread::spawn(move || {
        read(reader, &replies);
        // The writing side may be gone first.
        let _ = ended.send(Command::Ended { connection });
    });
    let outcome = loop {
        match commands.recv() {
            Err(mpsc::RecvError) => break Ok(()),
            Ok(Command::Do { connection: of, task }) if of == connection => {
                if write(&mut channel, store_folder, task).is_err() {
                    break Err(Broken::After);
                }
            }
            Ok(Command::Ended { connection: of }) if of == connection => break Err(Broken::After),
            Ok(_) => {}
        }
    };
    channel.shutdown();
    // A panic there ends the reading side as well, which is all that matters here.
    let _ = reading.join();
    outcome
}

type Models = Vec<obscura_local::appliance::ComputeModel>;

fn greet(socket: &Path) -> Result<(Channel, Models), ChannelError> {
    let mut channel = Channel::connect(socket, MAX_FRAME_BYTES, PATIENCE)?;
    channel.send(&ComputeRequest::Models)?;
    loop {
        // A connection that is new has nothing else to say; older words of a dying process are skipped.
        if let ComputeReply::Models(models) = channel.receive()? {
            return Ok((channel, models));
        }
    }
}

fn read(mut channel: Channel, inputs: &Arc<Intake>) {
    while let Ok(reply) = channel.receive::<ComputeReply>() {
        let event = match reply {
            ComputeReply::Models(_) => continue,
            ComputeReply::Keys { fingerprint, outcome } => Event::KeysLoaded { fingerprint, outcome },
            ComputeReply::Progress { job, item, done, of } => Event::ItemMoved { job, item, done, of },
            ComputeReply::Item { job, item, outcome } => Event::ItemDone { job, item, outcome },
        };
        if inputs.word(Input::Event(event)).is_err() {
            return;
        }
    }
}

fn write(channel: &mut Channel, store_folder: &Path, task: Task) -> Result<(), ChannelError> {
    match task {
        Task::Load { object } => write_keys(channel, store_folder, &object),
        Task::Evaluate {
            job,
            item,
            model_hash,
            key_fingerprint,
            bytes,
        } => channel.send(&ComputeRequest::Evaluate {
            job,
            item,
            model_hash,
            key_fingerprint,
            bytes,
        }),
        Task::Cancel { job } => channel.send(&ComputeRequest::Cancel { job }),
        Task::Forget { fingerprint } => channel.send(&ComputeRequest::Forget { fingerprint }),
    }
}

/// Streams an object from the disk. A file that is gone or short makes compute refuse it by its hash.
fn write_keys(channel: &mut Channel, store_folder: &Path, object: &ObjectHeader) -> Result<(), ChannelError> {
    channel.send(&ComputeRequest::KeysBegin {
        fingerprint: object.digest,
        len_bytes: object.len_bytes,
        parameter_hash: object.parameter_hash,
    })?;
    match File::open(Store::data_path(store_folder, &object.client)) {
        Ok(file) => write_pieces(channel, file)?,
        Err(error) => tracing::error!(%error, "stored keys cannot be read"),
    }
    channel.send(&ComputeRequest::KeysEnd)
}

fn write_pieces(channel: &mut Channel, file: File) -> Result<(), ChannelError> {
    let mut file = file;
    loop {
        let mut piece = Vec::new();
        let read = Read::by_ref(&mut file)
            .take(PIECE_BYTES as u64)
            .read_to_end(&mut piece);
        match read {
            Ok(0) => return Ok(()),
            Ok(_) => channel.send(&ComputeRequest::KeysPiece(piece))?,
            Err(error) => {
                tracing::error!(%error, "stored keys cannot be read");
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use obscura_local::Listener;
    use obscura_protocol::{
        identity::{ClientId, Digest},
        transfer::ObjectKind,
    };

    use super::*;

    const WAIT: Duration = Duration::from_secs(20);

    fn load(letter: u8, client: ClientId) -> Task {
        Task::Load {
            object: ObjectHeader {
                kind: ObjectKind::EvaluationKeys,
                digest: Digest([letter; 32]),
                len_bytes: 3,
                client,
                parameter_hash: Digest([0; 32]),
            },
        }
    }

    fn greeted(listener: &Listener) -> Channel {
        let mut channel = listener.accept().unwrap();
        assert_eq!(
            channel.receive::<ComputeRequest>().unwrap(),
            ComputeRequest::Models
        );
        channel.send(&ComputeReply::Models(Vec::new())).unwrap();
        channel
    }

    #[test]
    fn connects_again_and_drops_what_was_meant_for_a_dead_compute() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, store) = (folder.path().join("s"), folder.path().join("keys"));
        let client = ClientId([7; 16]);
        let data = Store::data_path(&store, &client);
        std::fs::create_dir_all(data.parent().unwrap()).unwrap();
        std::fs::write(data, b"key").unwrap();
        let listener = Listener::bind(&socket, MAX_FRAME_BYTES).unwrap();
        let intake = Arc::new(Intake::new());
        let commands = start(socket, store, Arc::clone(&intake)).unwrap();

        let first = greeted(&listener);
        let input = intake.next_within(WAIT);
        assert!(matches!(input, Input::ComputeUp { connection: 1, .. }));
        drop(first);
        let input = intake.next_within(WAIT);
        assert!(matches!(input, Input::Event(Event::ComputeDown)));

        let mut second = greeted(&listener);
        let input = intake.next_within(WAIT);
        assert!(matches!(input, Input::ComputeUp { connection: 2, .. }));
        for (connection, letter) in [(1, 1), (2, 2)] {
            let task = load(letter, client);
            commands.send(Command::Do { connection, task }).unwrap();
        }
        let mut requests = Vec::new();
        while requests.last() != Some(&ComputeRequest::KeysEnd) {
            requests.push(second.receive::<ComputeRequest>().unwrap());
        }
        let fingerprint = Digest([2; 32]);
        assert!(
            matches!(requests[0], ComputeRequest::KeysBegin { fingerprint: of, .. } if of == fingerprint)
        );
        assert_eq!(requests[1], ComputeRequest::KeysPiece(b"key".to_vec()));
        let outcome = Ok(());
        second.send(&ComputeReply::Keys { fingerprint, outcome }).unwrap();
        let input = intake.next_within(WAIT);
        assert!(matches!(
            input,
            Input::Event(Event::KeysLoaded { outcome: Ok(()), .. })
        ));
    }
}

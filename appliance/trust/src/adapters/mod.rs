//! The configuration file, what is kept on the disk, and the local socket.

mod config;
mod disk;
mod folders;
mod record;
mod server;
#[cfg(test)]
pub(crate) mod sim_disk;

pub use config::{Floor, Setup, SetupError, load};
pub use disk::{Disk, FsDisk};
pub use folders::{FileFloors, FolderInbox, FolderRoots, FolderSlots, UntouchedFloors};
pub use record::{MAX_RECORD_BYTES, decode_floors, decode_slots, encode_floors, encode_slots};
pub use server::serve;

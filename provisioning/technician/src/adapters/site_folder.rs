//! A site as a folder of files.
//!
//! Folders have mode 0700 and keys 0600. Whole folders are built under a name of their own beside their
//! place and renamed when everything in them is on disk; single files are replaced the same way.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    domain::{
        config,
        site::{Member, Site},
    },
    ports::{Content, Draft, Issued, SiteStore, StoreError},
};

/// The folder of one site, which may not exist yet.
#[derive(Debug)]
pub(crate) struct SiteFolder {
    folder: PathBuf,
}

impl SiteFolder {
    /// The site at `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.folder.join(path);
        fs::read(&path).map_err(|source| StoreError::MisuseNotASite { path, source })
    }

    fn read_text(&self, path: &str) -> Result<Zeroizing<String>, StoreError> {
        String::from_utf8(self.read(path)?)
            .map(Zeroizing::new)
            .map_err(|_source| StoreError::DeviceDamaged {
                path: self.folder.join(path),
                what: "not UTF-8 text",
            })
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, StoreError> {
        toml::from_str(&self.read_text(path)?).map_err(|_source| StoreError::DeviceDamaged {
            path: self.folder.join(path),
            what: "not the TOML this program writes",
        })
    }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |source| StoreError::DeviceIo {
        path: path.to_owned(),
        source,
    }
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Whether there is nothing at `path`, or a folder without content, which a rename may replace.
fn is_free(path: &Path) -> Result<bool, StoreError> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(source) => Err(StoreError::DeviceIo {
            path: path.to_owned(),
            source,
        }),
    }
}

/// A folder under construction; removed on drop unless it was published.
struct FolderDraft {
    building: PathBuf,
    place: PathBuf,
}

impl FolderDraft {
    fn begin(place: &Path) -> Result<Self, StoreError> {
        if !is_free(place)? {
            return Err(StoreError::MisuseExists {
                path: place.to_owned(),
            });
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(place.file_name().unwrap_or_else(|| "site".as_ref()));
        name.push(".partial");
        let building = place.with_file_name(name);
        // What a stopped run left is unusable by itself.
        match fs::remove_dir_all(&building) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_at(&building)(error)),
            _ => {}
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&building)
            .map_err(io_at(&building))?;
        Ok(Self {
            building,
            place: place.to_owned(),
        })
    }
}

impl Draft for FolderDraft {
    fn put(&mut self, path: &str, content: Content<'_>) -> Result<(), StoreError> {
        let path = self.building.join(path);
        let mut folders = DirBuilder::new();
        folders.recursive(true).mode(0o700);
        let folder = match content {
            Content::Folder => Some(path.as_path()),
            _ => path.parent(),
        };
        if let Some(folder) = folder {
            folders.create(folder).map_err(io_at(folder))?;
        }
        match content {
            Content::Folder => Ok(()),
            Content::Secret(bytes) => write_new(&path, 0o600, bytes),
            Content::Public(text) => write_new(&path, 0o644, text.as_bytes()),
            Content::Binary(bytes) => write_new(&path, 0o644, bytes),
        }
        .map_err(io_at(&path))
    }

    fn publish(self: Box<Self>) -> Result<(), StoreError> {
        let parent = self
            .place
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or_else(|| Path::new("."));
        if !is_free(&self.place)? {
            return Err(StoreError::MisuseExists {
                path: self.place.clone(),
            });
        }
        fs::rename(&self.building, &self.place)
            .and_then(|()| sync_folder(parent))
            .map_err(io_at(&self.place))
    }
}

impl Drop for FolderDraft {
    fn drop(&mut self) {
        // Gone already after a successful publish; otherwise the next run removes it.
        let _ = fs::remove_dir_all(&self.building);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteFile {
    site: String,
    box_name: String,
    box_envelope_public_key: String,
    box_receipt_public_key: String,
    address: String,
    port: u16,
    root_fingerprint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RosterFile {
    #[serde(default)]
    device: Vec<RosterEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RosterEntry {
    name: String,
    envelope_public_key: String,
    enabled: bool,
    #[serde(default)]
    may_send_models: bool,
}

impl SiteFolder {
    fn field<T: std::str::FromStr>(&self, path: &str, text: &str) -> Result<T, StoreError> {
        text.parse().map_err(|_source| StoreError::DeviceDamaged {
            path: self.folder.join(path),
            what: "a name, key or fingerprint has the wrong form",
        })
    }
}

impl SiteStore for SiteFolder {
    fn draft_site(&self) -> Result<Box<dyn Draft>, StoreError> {
        Ok(Box::new(FolderDraft::begin(&self.folder)?))
    }

    fn draft_device(&self, name: &str) -> Result<Box<dyn Draft>, StoreError> {
        Ok(Box::new(FolderDraft::begin(&self.folder.join(name))?))
    }

    fn site(&self) -> Result<Site, StoreError> {
        let at = "authority/site.toml";
        let file: SiteFile = self.parse(at)?;
        Ok(Site {
            id: self.field(at, &file.site)?,
            box_name: self.field(at, &file.box_name)?,
            box_envelope: self.field(at, &file.box_envelope_public_key)?,
            box_receipt: self.field(at, &file.box_receipt_public_key)?,
            address: file.address,
            port: file.port,
            root_fingerprint: self.field(at, &file.root_fingerprint)?,
        })
    }

    fn authority(&self) -> Result<Issued, StoreError> {
        Ok(Issued {
            certificate: self.read_text("authority/ca.pem")?.to_string(),
            key: self.read_text("authority/ca.key.pem")?,
        })
    }

    fn root(&self) -> Result<Vec<u8>, StoreError> {
        self.read("box/root.bin")
    }

    fn device_seed(&self, name: &str) -> Result<Option<Zeroizing<[u8; 32]>>, StoreError> {
        let at = format!("{name}/envelope.key");
        if !self.folder.join(&at).exists() {
            return Ok(None);
        }
        let line = self.read_text(&at)?;
        let damaged = || StoreError::DeviceDamaged {
            path: self.folder.join(&at),
            what: "not one line of 64 hexadecimal digits",
        };
        let digits = line.trim_end_matches('\n');
        if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(damaged());
        }
        let mut seed = Zeroizing::new([0; 32]);
        for (byte, at) in seed.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_source| damaged())?;
        }
        Ok(Some(seed))
    }

    fn roster(&self) -> Result<Vec<Member>, StoreError> {
        let at = "box/roster.toml";
        let file: RosterFile = self.parse(at)?;
        let member = |entry: &RosterEntry| {
            Ok(Member {
                name: self.field(at, &entry.name)?,
                envelope: self.field(at, &entry.envelope_public_key)?,
                enabled: entry.enabled,
                may_send_models: entry.may_send_models,
            })
        };
        file.device.iter().map(member).collect()
    }

    fn replace_roster(&self, members: &[Member]) -> Result<(), StoreError> {
        let folder = self.folder.join("box");
        let (path, next) = (folder.join("roster.toml"), folder.join(".roster.toml.partial"));
        let _ = fs::remove_file(&next);
        write_new(&next, 0o644, config::roster_toml(members).as_bytes()).map_err(io_at(&next))?;
        fs::rename(&next, &path)
            .and_then(|()| sync_folder(&folder))
            .map_err(io_at(&path))
    }

    fn owned_by_root(&self) -> bool {
        rustix::process::geteuid().is_root()
    }
}

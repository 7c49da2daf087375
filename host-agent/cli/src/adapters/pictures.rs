//! Pictures of results, drawn by an image process that has read no file, kept in one folder.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use obscura_local::{
    agent::{Pixels, ScanOutcome},
    imaging::{Drawing, ImagingReply, ImagingRequest},
};
use obscura_sealed::create_private;
use zeroize::Zeroize;

use super::{images::ImagingProcess, text::permille};
use crate::{error::CliError, ports::Pictures};

/// Longest part of a file name that is taken over from the image, characters.
const MAX_STEM: usize = 100;
/// Names that are tried for one picture.
const MAX_TRIES: u32 = 1000;

/// One folder, readable by its owner only.
#[derive(Debug)]
pub(crate) struct PictureFolder {
    folder: PathBuf,
}

impl PictureFolder {
    /// Makes sure there is the folder, before anything is sent.
    ///
    /// # Errors
    /// [`CliError::ConfigPictures`].
    pub(crate) fn at(folder: &Path) -> Result<Self, CliError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        let writable = made.and_then(|()| {
            let probe = folder.join(format!(".obscura-{}", std::process::id()));
            create_private(&probe, b"")?;
            fs::remove_file(probe)
        });
        let folder = folder.to_owned();
        match writable {
            Ok(()) => Ok(Self { folder }),
            Err(source) => Err(CliError::ConfigPictures { path: folder, source }),
        }
    }

    /// Writes a file under a name nobody has yet: a picture never replaces another one.
    fn write(&self, label: &str, png: &[u8]) -> Result<PathBuf, CliError> {
        let mut path = PathBuf::new();
        for number in 1..=MAX_TRIES {
            path = self.folder.join(file_name(label, number));
            match create_private(&path, png) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(CliError::Picture { path, source }),
            }
        }
        let source = io::ErrorKind::AlreadyExists.into();
        Err(CliError::Picture { path, source })
    }
}

/// `mole.jpg` becomes `mole.result.png`, then `mole.result-2.png`; what could mean anything in a path goes.
fn file_name(label: &str, number: u32) -> String {
    let stem = Path::new(label).file_stem().unwrap_or_default().to_string_lossy();
    let plain = |letter: char| {
        if letter.is_alphanumeric() || "._-".contains(letter) {
            letter
        } else {
            '_'
        }
    };
    let stem: String = stem.chars().take(MAX_STEM).map(plain).collect();
    let stem = if stem.is_empty() { "image" } else { &stem };
    match number {
        1 => format!("{stem}.result.png"),
        _ => format!("{stem}.result-{number}.png"),
    }
}

fn drawing(pixels: &Pixels, outcome: &ScanOutcome) -> Drawing {
    let (reading, receipt) = (&outcome.reading, &outcome.receipt);
    let found = reading.classes.get(reading.class as usize);
    let title = found.map_or_else(
        || outcome.label.clone(),
        |found| {
            let percent = permille(found.permille);
            format!(
                "{}: {} ({}), {percent:.1} %",
                outcome.label, found.label, found.name
            )
        },
    );
    let signed = format!(
        "Read encrypted by {}, model {} with counter {}, {} receipts checked; job {:.8}.",
        receipt.box_name, receipt.model_id, receipt.security_counter, outcome.items, receipt.job
    );
    let mut notes = vec![reading.text.clone()];
    notes.extend(reading.notes.iter().map(|note| note.text.clone()));
    notes.extend([outcome.warning.clone(), signed]);
    notes.extend(outcome.licence.clone());
    Drawing {
        title,
        side: u32::try_from((pixels.0.len() / 3).isqrt()).unwrap_or(u32::MAX),
        rgb: pixels.0.to_vec(),
        rows: reading.rows,
        map: reading.map.clone(),
        classes: reading.classes.clone(),
        notes,
    }
}

impl Pictures for PictureFolder {
    fn keep(&mut self, pixels: Pixels, outcome: &ScanOutcome) -> Result<PathBuf, CliError> {
        let mut request = ImagingRequest::Draw(drawing(&pixels, outcome));
        // A process of its own: the one that read the file may belong to whoever made the file.
        let reply = ImagingProcess::default().ask(&request);
        if let ImagingRequest::Draw(drawing) = &mut request {
            drawing.rgb.zeroize();
        }
        match reply? {
            ImagingReply::Picture { png } => self.write(&outcome.label, &png),
            ImagingReply::Refused { text } => Err(CliError::Drawing { text }),
            ImagingReply::Pixels { .. } => Err(CliError::Unexpected { name: "imaging" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        assert_eq!(file_name("mole.jpg", 1), "mole.result.png");
        assert_eq!(file_name("a b/../../etc/pass wd.png", 2), "pass_wd.result-2.png");
        assert_eq!(file_name("..", 1), "image.result.png");
        assert!(file_name(&"x".repeat(300), 1).len() < 120);
    }

    #[test]
    fn a_picture_never_replaces_another() {
        let place = tempfile::tempdir().unwrap();
        let folder = PictureFolder::at(&place.path().join("new")).unwrap();
        let first = folder.write("mole.jpg", b"1").unwrap();
        let second = folder.write("mole.jpg", b"2").unwrap();
        assert_eq!(second.file_name().unwrap(), "mole.result-2.png");
        assert_eq!(fs::read(first).unwrap(), b"1");
        assert_eq!(fs::read_dir(place.path().join("new")).unwrap().count(), 2);
        let occupied = place.path().join("file");
        fs::write(&occupied, b"").unwrap();
        assert_eq!(PictureFolder::at(&occupied).unwrap_err().exit_code(), 2);
    }
}

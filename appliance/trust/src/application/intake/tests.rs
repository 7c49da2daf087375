//! Intake over places in memory: what is installed, what is deleted, what stays.

use std::{cell::RefCell, collections::BTreeMap, io};

use obscura_bundle::{Bundle, Meta, Root};
use obscura_protocol::identity::Identity;
use zeroize::Zeroizing;

use super::*;

/// A folder in memory; one that is `worn` takes no writes.
#[derive(Default)]
struct MemPlace {
    files: RefCell<BTreeMap<PathBuf, Vec<u8>>>,
    worn: bool,
}

impl MemPlace {
    fn with(files: &[(&str, Vec<u8>)]) -> Self {
        let files = files
            .iter()
            .map(|(name, bytes)| (PathBuf::from(name), bytes.clone()));
        Self {
            files: RefCell::new(files.collect()),
            worn: false,
        }
    }

    fn names(&self) -> Vec<String> {
        let files = self.files.borrow();
        files.keys().map(|path| path.display().to_string()).collect()
    }

    /// Model and counter of each file.
    fn models(&self) -> Vec<(String, u32)> {
        let installed = installed(self, &root()).unwrap();
        installed
            .into_iter()
            .map(|is| (is.model_id, is.counter))
            .collect()
    }
}

impl BundleSource for MemPlace {
    fn candidates(&self) -> io::Result<Vec<PathBuf>> {
        Ok(self.files.borrow().keys().cloned().collect())
    }

    fn read(&self, candidate: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
        let bytes = self.files.borrow()[candidate].clone();
        Ok(bytes[..bytes.len().min(max_bytes + 1)].to_vec())
    }
}

impl BundlePlace for MemPlace {
    fn install(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        if self.worn {
            return Err(io::Error::other("worn out"));
        }
        let path = PathBuf::from(format!("{name}.obb"));
        self.files.borrow_mut().insert(path.clone(), bytes.to_vec());
        Ok(path)
    }

    fn remove(&self, candidate: &Path) -> io::Result<()> {
        let gone = self.files.borrow_mut().remove(candidate);
        gone.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn key(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

fn root() -> TrustedRoot {
    let root = Root::new(1, 1, vec![key(1).public()]).unwrap();
    TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).unwrap()
}

fn meta(model_id: &str, security_counter: u32) -> Meta {
    Meta {
        model_id: model_id.to_owned(),
        version: "1.0.0".to_owned(),
        security_counter,
        scheme: "tfhe-1".to_owned(),
        min_protocol: 1,
    }
}

fn signed_by(signers: &[Identity], model_id: &str, counter: u32) -> Vec<u8> {
    let files = BTreeMap::from([("circuit.json".to_owned(), vec![7; 10])]);
    Bundle::build(&meta(model_id, counter), files)
        .unwrap()
        .sign(signers)
}

fn good(model_id: &str, counter: u32) -> Vec<u8> {
    signed_by(&[key(1)], model_id, counter)
}

fn model(id: &str, counter: u32) -> (String, u32) {
    (id.to_owned(), counter)
}

#[test]
fn a_newer_bundle_takes_the_file_of_the_one_it_replaces() {
    let models = MemPlace::with(&[("installed-by-hand.obb", good("a", 3)), ("b.obb", good("b", 9))]);
    let waiting = MemPlace::with(&[("x.obb", good("a", 4))]);
    take_in(&waiting, &models, &root());
    assert_eq!(models.names(), ["b.obb", "installed-by-hand.obb"]);
    assert_eq!(models.models(), [model("b", 9), model("a", 4)]);
    assert!(waiting.names().is_empty());
}

#[test]
fn of_several_installed_bundles_the_offered_one_counts() {
    let models = MemPlace::with(&[
        ("1.obb", good("a", 3)),
        ("2.obb", good("a", 5)),
        ("3.obb", good("a", 4)),
    ]);
    let waiting = MemPlace::with(&[("x.obb", good("a", 4)), ("y.obb", good("a", 6))]);
    take_in(&waiting, &models, &root());
    assert_eq!(models.models(), [model("a", 3), model("a", 6), model("a", 4)]);
    assert!(waiting.names().is_empty());
}

#[test]
fn an_older_bundle_is_deleted_and_one_with_the_same_counter_is_not_older() {
    let models = MemPlace::with(&[("a.obb", good("a", 3))]);
    let waiting = MemPlace::with(&[("x.obb", good("a", 2))]);
    take_in(&waiting, &models, &root());
    assert_eq!(models.models(), [model("a", 3)]);
    assert!(waiting.names().is_empty());
    let bundle = VerifiedBundle(obscura_bundle::verify(&good("a", 2), &root()).unwrap());
    let there = installed(&models, &root()).unwrap();
    assert!(matches!(
        judge(&bundle, &there),
        Err(NotTaken::PeerOlder {
            counter: 2,
            installed: 3,
            ..
        })
    ));
    take_in(&MemPlace::with(&[("x.obb", good("a", 3))]), &models, &root());
    assert_eq!(models.models(), [model("a", 3)]);
}

#[test]
fn a_model_the_box_never_had_is_taken_under_a_name_of_its_own() {
    let models = MemPlace::with(&[("b.obb", good("a", 1)), ("c.obb", b"damaged".to_vec())]);
    let waiting = MemPlace::with(&[
        ("x.obb", good("b", 1)),
        ("y.obb", good("c", 2)),
        ("z.obb", good("d", 3)),
    ]);
    take_in(&waiting, &models, &root());
    let mut there = models.models();
    there.sort();
    assert_eq!(
        there,
        [model("a", 1), model("b", 1), model("c", 2), model("d", 3)]
    );
    // The damaged file gave way, the one of another model did not.
    assert_eq!(models.names().len(), 4);
    assert!(
        models.names().contains(&"d.obb".to_owned()),
        "{:?}",
        models.names()
    );
}

#[test]
fn what_is_unsigned_altered_or_signed_by_another_root_is_deleted_and_changes_nothing() {
    let before = good("a", 3);
    let new = good("a", 4);
    let mut altered = new.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let bad = [
        ("1.obb", signed_by(&[key(2)], "a", 4)),
        ("2.obb", altered),
        ("3.obb", new[..last].to_vec()),
        ("4.obb", Vec::new()),
        ("5.obb", b"no bundle".to_vec()),
        ("6.obb", signed_by(&[], "a", 4)),
    ];
    let models = MemPlace::with(&[("a.obb", before.clone())]);
    let waiting = MemPlace::with(&bad);
    take_in(&waiting, &models, &root());
    assert!(waiting.names().is_empty(), "{:?}", waiting.names());
    assert_eq!(models.files.borrow()[Path::new("a.obb")], before);
    assert_eq!(models.names(), ["a.obb"]);
}

#[test]
fn a_disk_that_takes_no_writes_leaves_a_good_bundle_waiting() {
    let mut models = MemPlace::with(&[("a.obb", good("a", 3))]);
    models.worn = true;
    let waiting = MemPlace::with(&[("x.obb", good("a", 4)), ("y.obb", b"bad".to_vec())]);
    take_in(&waiting, &models, &root());
    assert_eq!(waiting.names(), ["x.obb"]);
    models.worn = false;
    take_in(&waiting, &models, &root());
    assert_eq!(models.models(), [model("a", 4)]);
    assert!(waiting.names().is_empty());
}

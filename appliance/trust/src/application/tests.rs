//! A box on a disk in memory: what is taken in, what runs, and every attack on either.

use std::collections::BTreeMap;

use obscura_bundle::{Bundle, Meta, Root, RootChange, RootKey, Target, TrustedRoot};
use obscura_protocol::identity::{Digest, Identity};
use zeroize::Zeroizing;

use super::*;
use crate::{
    adapters::{FileFloors, FolderInbox, FolderRoots, FolderSlots, sim_disk::SimDisk},
    domain::{Floors, TRIES},
    ports::{FloorError, FloorStore},
};

mod attacks;
mod power;
mod updates;

pub(super) fn key(seed: u8) -> Identity {
    Identity::from_seed(&Zeroizing::new([seed; 32]))
}

pub(super) fn model_files(len: usize) -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([("circuit.json".to_owned(), vec![7; len])])
}

pub(super) fn signed_by(
    signers: &[u8],
    model_id: &str,
    security_counter: u32,
    files: BTreeMap<String, Vec<u8>>,
) -> Vec<u8> {
    signed_for(&Target::default(), signers, model_id, security_counter, files)
}

fn signed_for(
    target: &Target,
    signers: &[u8],
    model_id: &str,
    security_counter: u32,
    files: BTreeMap<String, Vec<u8>>,
) -> Vec<u8> {
    let meta = Meta {
        model_id: model_id.to_owned(),
        version: "1.0.0".to_owned(),
        security_counter,
        scheme: "tfhe-1".to_owned(),
        min_protocol: 1,
    };
    let keys: Vec<Identity> = signers.iter().map(|&seed| key(seed)).collect();
    Bundle::build_for(target, &meta, files).unwrap().sign(&keys)
}

pub(super) fn bundle(model_id: &str, counter: u32) -> Vec<u8> {
    signed_by(&[1], model_id, counter, model_files(10))
}

/// A root of `version` whose keys sign up to counter 50; one signature is enough.
fn root(version: u32, seeds: &[u8], revoked: &[u8]) -> Root {
    let keys = seeds.iter().map(|&seed| RootKey {
        key: key(seed).public(),
        max_counter: 50,
    });
    let revoked = revoked.iter().map(|&seed| key(seed).public().fingerprint());
    Root::with_revoked(version, 1, keys.collect(), revoked.collect()).unwrap()
}

fn change(root: &Root, signers: &[u8]) -> Vec<u8> {
    let mut change = RootChange::unsigned(root);
    for &seed in signers {
        change.sign(&key(seed)).unwrap();
    }
    change.to_bytes()
}

/// A box as provisioning leaves it.
#[derive(Clone, Debug)]
pub(super) struct Bench {
    pub(super) disk: SimDisk,
    pinned: TrustedRoot,
}

impl Bench {
    /// With these bundles in the folder for people.
    pub(super) fn with_models(bundles: &[Vec<u8>]) -> Self {
        let root = root(1, &[1], &[]);
        let bench = Self {
            disk: SimDisk::default(),
            pinned: TrustedRoot::pinned(&root.to_bytes(), root.fingerprint()).unwrap(),
        };
        bench.disk.put("/trust/first-start", b"");
        for (n, bytes) in bundles.iter().enumerate() {
            bench.disk.put(&format!("/models/{n}.obb"), bytes);
        }
        bench
    }

    /// One that runs counter 3 of model `m` and found it good.
    fn running() -> Self {
        let bench = Self::with_models(&[bundle("m", 3)]);
        assert_eq!(counters(&bench.start_and_find_good()), [3]);
        bench
    }

    /// The same box, apart from this one.
    fn copy(&self) -> Self {
        Self {
            disk: self.disk.copy(),
            pinned: self.pinned.clone(),
        }
    }

    /// Something comes over a carrier.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        self.disk.put(&format!("/incoming/{name}"), bytes);
    }

    pub(super) fn try_start(&self) -> Result<Models, StartError> {
        let trust = std::path::Path::new("/trust");
        let floors = FileFloors::new(self.disk.clone(), trust);
        floors.begin()?;
        let stores = Stores {
            floors: Box::new(floors),
            roots: Box::new(FolderRoots::new(self.disk.clone(), trust)),
            slots: Box::new(FolderSlots::new(self.disk.clone(), trust)),
        };
        let mut models = Models::start(stores, &self.pinned, "box-1".to_owned())?;
        for (folder, origin) in [("/incoming", Origin::Carrier), ("/models", Origin::Hand)] {
            models.take_in(&FolderInbox::new(self.disk.clone(), folder.into()), origin);
        }
        models.boot()?;
        Ok(models)
    }

    pub(super) fn start(&self) -> Models {
        self.try_start().unwrap()
    }

    /// Starts, and compute finds everything good.
    pub(super) fn start_and_find_good(&self) -> Models {
        let mut models = self.start();
        find_good(&mut models);
        models
    }

    fn floors(&self) -> Floors {
        let floors = FileFloors::new(self.disk.clone(), std::path::Path::new("/trust"));
        floors.read().unwrap()
    }

    /// Where an incoming file would lie, if it lay there.
    fn waits(&self) -> Vec<String> {
        self.disk.names("/incoming")
    }
}

fn find_good(models: &mut Models) {
    let hashes: Vec<Digest> = models.iter().map(Bundle::model_hash).collect();
    for hash in hashes {
        assert!(models.report(&hash, true).unwrap().is_none());
    }
}

/// The counters that run, by model id.
fn counters(models: &Models) -> Vec<u32> {
    models
        .iter()
        .map(|bundle| bundle.manifest().security_counter)
        .collect()
}

/// The counters that run when none does.
const NOTHING: [u32; 0] = [];

//! The store across restarts and power cuts.

use obscura_protocol::{
    identity::Digest,
    transfer::{MAX_CHUNK_BYTES, ObjectKind},
};

use super::{super::disk::test_power::Power, *};

const CHUNK: usize = MAX_CHUNK_BYTES as usize;

fn header(client: u8, len_bytes: u64) -> ObjectHeader {
    ObjectHeader {
        kind: ObjectKind::EvaluationKeys,
        digest: Digest([client; 32]),
        len_bytes,
        client: ClientId([client; 16]),
        parameter_hash: Digest([1; 32]),
    }
}

fn create(client: u8, len_bytes: u64) -> StoreChange {
    StoreChange::Create {
        device: "device-1".parse().unwrap(),
        object: header(client, len_bytes),
    }
}

fn write(client: u8, chunk: u8) -> StoreChange {
    StoreChange::Write {
        client: ClientId([client; 16]),
        offset: u64::from(chunk) * CHUNK as u64,
        bytes: vec![chunk + 1; CHUNK],
    }
}

fn persist(client: u8, bitmap: u8) -> StoreChange {
    StoreChange::Persist {
        client: ClientId([client; 16]),
        bitmap: vec![bitmap],
    }
}

fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(folder.path().join("keys"), folder.path().join("incoming")).unwrap()
}

/// An object of three chunks, written and recorded one after the other, then replaced and removed.
fn life() -> Vec<StoreChange> {
    let client = ClientId([7; 16]);
    vec![
        create(7, 3 * CHUNK as u64),
        write(7, 1),
        persist(7, 0b010),
        write(7, 0),
        write(7, 2),
        persist(7, 0b111),
        StoreChange::MarkConforming { client },
        StoreChange::Touch { client },
        create(7, 3 * CHUNK as u64),
        write(7, 2),
        persist(7, 0b100),
        StoreChange::Remove { client },
    ]
}

#[test]
fn no_power_cut_makes_the_bitmap_claim_a_chunk_that_is_not_there() {
    // Two operations open the store.
    for operations in 2.. {
        let folder = tempfile::tempdir().unwrap();
        let (path, incoming) = (folder.path().join("keys"), folder.path().join("incoming"));
        let disk = Disk {
            power: Power::after(operations),
        };
        let mut store = Store::on(disk, path.clone(), incoming.clone()).unwrap();
        let clean = life()
            .into_iter()
            .try_for_each(|change| store.apply(change))
            .is_ok();
        store.disk.power.cut();

        let found = Store::open(path.clone(), incoming.clone())
            .unwrap()
            .scan()
            .unwrap();
        assert!(found.len() <= 1);
        for object in found {
            let data = fs::read(Store::data_path(&path, &object.object.client)).unwrap();
            for (chunk, bytes) in data.chunks(CHUNK).enumerate() {
                let claimed = object.bitmap[0] >> chunk & 1 == 1;
                let there = bytes.iter().all(|&b| usize::from(b) == chunk + 1);
                assert!(!claimed || there, "cut after {operations}: chunk {chunk}");
            }
            assert!(
                !object.conforming || object.bitmap == [0b111],
                "cut after {operations}"
            );
        }
        if clean {
            return;
        }
    }
}

#[test]
fn finds_objects_again_in_the_order_of_their_use() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    for client in [1, 2, 3] {
        store.apply(create(client, CHUNK as u64)).unwrap();
    }
    let client = ClientId([1; 16]);
    // Times of files are coarse on some systems; what counts is the order.
    let late = SystemTime::now() + std::time::Duration::from_secs(100);
    let touched = folder.path().join("keys").join(client.to_string()).join(HEADER);
    File::open(touched).unwrap().set_modified(late).unwrap();
    let found = open(&folder).scan().unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[2].object, header(1, CHUNK as u64));
    assert_eq!(found[2].device.as_str(), "device-1");
}

#[test]
fn sweeps_away_what_is_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    store.apply(create(1, CHUNK as u64)).unwrap();
    store.apply(create(2, CHUNK as u64)).unwrap();
    fs::create_dir(folder.path().join("keys/unfinished.part")).unwrap();
    let data = Store::data_path(&folder.path().join("keys"), &ClientId([2; 16]));
    File::options()
        .write(true)
        .open(data)
        .unwrap()
        .set_len(1)
        .unwrap();
    assert_eq!(store.scan().unwrap().len(), 1);
    assert_eq!(fs::read_dir(folder.path().join("keys")).unwrap().count(), 1);
}

#[test]
fn records_nothing_more_for_a_client_after_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(&folder);
    store.apply(create(1, CHUNK as u64)).unwrap();
    let data = Store::data_path(&folder.path().join("keys"), &ClientId([1; 16]));
    fs::rename(&data, data.with_extension("away")).unwrap();
    assert!(store.apply(write(1, 0)).is_err());
    fs::rename(data.with_extension("away"), &data).unwrap();
    store.apply(persist(1, 1)).unwrap();
    assert_eq!(store.scan().unwrap()[0].bitmap, [0]);
}

#[test]
fn no_power_cut_loses_a_whole_bundle_or_hands_over_half_of_one() {
    for operations in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let (path, incoming) = (folder.path().join("keys"), folder.path().join("incoming"));
        let mut store = Store::open(path.clone(), incoming.clone()).unwrap();
        for change in [
            create(7, 3 * CHUNK as u64),
            write(7, 0),
            write(7, 1),
            write(7, 2),
            persist(7, 0b111),
        ] {
            store.apply(change).unwrap();
        }
        store.disk.power = Power::after(operations);
        let (client, digest) = (ClientId([7; 16]), Digest([7; 32]));
        let clean = store.apply(StoreChange::Deliver { client, digest }).is_ok();
        store.disk.power.cut();

        let kept = Store::open(path, incoming.clone()).unwrap().scan().unwrap();
        let handed_over = fs::read(incoming.join(format!("{digest}.obb"))).ok();
        let whole: Vec<u8> = (1..=3).flat_map(|chunk| vec![chunk; CHUNK]).collect();
        match &handed_over {
            Some(bytes) => assert!(*bytes == whole && kept.is_empty(), "cut after {operations}"),
            None => assert_eq!(kept[0].bitmap, [0b111], "cut after {operations}"),
        }
        if clean {
            assert!(handed_over.is_some());
            return;
        }
    }
}

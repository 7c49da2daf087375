//! Writes the valid inputs the fuzz targets start from: `cargo run -p obscura-fuzz-seeds -- corpus`.
//!
//! Every file is the same in every run, except those that hold fresh randomness (the sealed file), which
//! are left alone when they are there.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use obscura_bundle::{Bundle, Meta, Root, RootChange, manifest::SCHEME_TFHE_1};
use obscura_circuit::Circuit;
use obscura_fhe_core::{Answer, Item, ParameterSet, Plan, SEED_BYTES};
use obscura_local::{agent, appliance};
use obscura_protocol::{
    codec,
    envelope::{self, Header},
    identity::{ClientId, Digest, Identity, JobId, PeerName, SessionId, SiteId},
    job::{FloorKind, Receipt, Signed, Ticket},
    message::{BoxMessage, DeviceMessage, KeyState, Lane, Limits, ModelOffer, Phase, Refusal},
    serial::frame::{self, Body, Epoch, Frame},
    transfer::{ChunkSet, ObjectHeader, ObjectKind},
};
use obscura_sealed::{Cost, seal};
use obscura_trust::{
    adapters::{encode_floors, encode_slots},
    domain::{Floors, Slot, SlotId, Slots},
};
use zeroize::Zeroizing;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const JOB: JobId = JobId([0x0b; 16]);
const OBJECT: Digest = Digest([0x0d; 32]);
const CLIENT: ClientId = ClientId([0x0c; 16]);

struct Corpus(PathBuf);

impl Corpus {
    fn write(&self, target: &str, name: &str, bytes: &[u8]) -> Outcome {
        let folder = self.0.join(target);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(name), bytes)?)
    }
}

fn main() -> Outcome {
    let folder = std::env::args_os()
        .nth(1)
        .ok_or("usage: obscura-fuzz-seeds FOLDER")?;
    let corpus = Corpus(folder.into());
    messages(&corpus)?;
    statements(&corpus)?;
    bundles(&corpus)?;
    trust_records(&corpus)?;
    payload(&corpus)?;
    local(&corpus)?;
    frames(&corpus)?;
    pictures(&corpus)?;
    for (name, len) in [
        ("one-chunk", 1_u64),
        ("nine-chunks", 9 << 18),
        ("largest", 1 << 30),
    ] {
        let steps = [0, 4, 1, 0, 1, 1, 1, 1, 0, 4, 4, 0, 3, 0, 0, 255, 4, 1, 1, 200];
        corpus.write("transfer", name, &[&len.to_le_bytes()[..], &steps].concat())?;
    }
    if !corpus.0.join("sealed/cheapest").exists() {
        let sealed = seal(b"correct horse", b"secret", b"OBSCTEST", Cost::CHEAPEST)?;
        corpus.write("sealed", "cheapest", &sealed)?;
    }
    Ok(())
}

fn identity() -> Identity {
    Identity::from_seed(&Zeroizing::new([0x42; 32]))
}

fn object() -> ObjectHeader {
    ObjectHeader {
        kind: ObjectKind::EvaluationKeys,
        digest: OBJECT,
        len_bytes: 40_000_000,
        client: CLIENT,
        parameter_hash: Digest([0x0e; 32]),
    }
}

/// Lines to an end of epoch 22, behind the length of the pieces they arrive in.
fn frames(corpus: &Corpus) -> Outcome {
    let hello = Body::Hello { version: 1 };
    let ack = Body::Ack {
        received: 0,
        limit: 65_536,
        gap: None,
    };
    let behind = Body::Ack {
        received: 1024,
        limit: 65_536,
        gap: Some(0),
    };
    let first = Body::Data {
        offset: 0,
        round: 0,
        payload: &[0, 1, 2, 0, 255],
    };
    let gap = Body::Data {
        offset: 300,
        round: 0,
        payload: &[7; 300],
    };
    let lines: [(&str, &[Body<'_>]); 4] = [
        ("greeting", &[hello, ack]),
        ("stream", &[hello, ack, first, behind]),
        ("loss", &[hello, ack, first, gap, Body::Ping]),
        ("goodbye", &[hello, first, Body::Close]),
    ];
    for (name, bodies) in lines {
        let mut line = vec![63];
        for &body in bodies {
            let (from, to) = (Epoch::from_random(11), Some(Epoch::from_random(22)));
            frame::encode(&Frame { from, to, body }, &mut line);
        }
        corpus.write("frame", name, &line)?;
    }
    Ok(())
}

fn messages(corpus: &Corpus) -> Outcome {
    let device = [
        (
            "hello",
            DeviceMessage::Hello {
                min_version: 1,
                max_version: 1,
                nonce: [0x0a; 16],
            },
        ),
        ("key-status", DeviceMessage::KeyStatus { client: CLIENT }),
        ("offer", DeviceMessage::Offer { object: object() }),
        (
            "offer-bundle",
            DeviceMessage::Offer {
                object: ObjectHeader {
                    kind: ObjectKind::Bundle,
                    parameter_hash: Digest([0; 32]),
                    ..object()
                },
            },
        ),
        (
            "chunk",
            DeviceMessage::Chunk {
                object: OBJECT,
                index: 3,
                bytes: vec![1; 40],
            },
        ),
        ("submit", DeviceMessage::Submit { ticket: vec![2; 40] }),
        (
            "item",
            DeviceMessage::Item {
                job: JOB,
                index: 0,
                bytes: vec![3; 40],
            },
        ),
        ("cancel", DeviceMessage::Cancel { job: JOB }),
        ("goodbye", DeviceMessage::Goodbye),
        ("revoke-keys", DeviceMessage::RevokeKeys),
        (
            "request",
            DeviceMessage::Request {
                ticket: vec![2; 40],
                lane: Lane::Urgent,
                within_s: Some(600),
            },
        ),
    ];
    for (name, message) in device {
        corpus.write("device_message", name, &message.encode())?;
    }
    for (name, message) in box_messages() {
        corpus.write("box_message", name, &message.encode())?;
    }
    let name = |text: &str| text.parse::<PeerName>();
    let header = Header {
        version: 1,
        sender: name("device-1")?,
        recipient: name("box-1")?,
        session: SessionId([5; 16]),
        sequence: 7,
    };
    corpus.write(
        "envelope",
        "signed",
        &envelope::seal(&header, &[7; 20], &identity()),
    )?;
    corpus.write("envelope", "inner", &codec::encode(&(header, vec![7_u8; 20])))
}

fn box_messages() -> Vec<(&'static str, BoxMessage)> {
    let offer = ModelOffer {
        model_id: "cardio-lr".to_owned(),
        model_hash: Digest([0x11; 32]),
        parameter_hash: Digest([0x12; 32]),
        security_counter: 3,
    };
    let limits = Limits {
        max_object_bytes: 1 << 30,
        max_item_bytes: 65536,
        window_chunks: 8,
        max_jobs: 4,
    };
    let partial = KeyState::Partial {
        object: OBJECT,
        have: 5,
        of: 160,
    };
    let chunks = ChunkSet::from_ascending([0, 1, 2, 130]);
    vec![
        (
            "welcome",
            BoxMessage::Welcome {
                version: 1,
                nonce: [0x0a; 16],
                session: SessionId([5; 16]),
                limits,
                models: vec![offer.clone(), offer],
            },
        ),
        (
            "key-state",
            BoxMessage::KeyState {
                client: CLIENT,
                state: partial,
            },
        ),
        (
            "want",
            BoxMessage::Want {
                object: OBJECT,
                chunks,
                have: 17,
            },
        ),
        ("stored", BoxMessage::Stored { object: OBJECT }),
        ("accepted", BoxMessage::Accepted { job: JOB }),
        ("revoked", BoxMessage::Revoked { objects: 2 }),
        (
            "outlook",
            BoxMessage::Outlook {
                job: JOB,
                ahead: 3,
                left_s: Some(600),
            },
        ),
        (
            "dead",
            BoxMessage::Dead {
                job: JOB,
                index: 1,
                code: Refusal::BadCiphertext,
            },
        ),
        (
            "progress",
            BoxMessage::Progress {
                job: JOB,
                index: 1,
                phase: Phase::Computing { done: 1, of: 2 },
            },
        ),
        (
            "answer",
            BoxMessage::Answer {
                job: JOB,
                index: 1,
                bytes: vec![5; 30],
                receipt: vec![6; 30],
            },
        ),
        (
            "refused",
            BoxMessage::Refused {
                sequence: 9,
                code: Refusal::Busy,
                job: Some(JOB),
            },
        ),
    ]
}

fn statements(corpus: &Corpus) -> Outcome {
    let ticket = Ticket {
        site: SiteId([1; 16]),
        device: "device-1".parse()?,
        job: JOB,
        model_hash: Digest([0x11; 32]),
        client: CLIENT,
        key_fingerprint: OBJECT,
        items: 49,
    };
    let receipt = Receipt {
        job: JOB,
        item: 48,
        input_hash: Digest([0x21; 32]),
        answer_hash: Digest([0x22; 32]),
        model_id: "cardio-lr".to_owned(),
        model_hash: Digest([0x11; 32]),
        security_counter: 3,
        floor: FloorKind::File,
        parameter_hash: Digest([0x12; 32]),
        key_fingerprint: OBJECT,
        box_name: "box-1".parse()?,
    };
    corpus.write("statement", "ticket", &codec::encode(&ticket))?;
    corpus.write("statement", "receipt", &codec::encode(&receipt))?;
    corpus.write(
        "statement",
        "signed-ticket",
        Signed::sign(ticket, &identity()).as_bytes(),
    )?;
    corpus.write(
        "statement",
        "signed-receipt",
        Signed::sign(receipt, &identity()).as_bytes(),
    )
}

fn bundles(corpus: &Corpus) -> Outcome {
    let meta = Meta {
        model_id: "small".to_owned(),
        version: "0.1.0".to_owned(),
        security_counter: 7,
        scheme: SCHEME_TFHE_1.to_owned(),
        min_protocol: 1,
    };
    let files: BTreeMap<_, _> = [
        ("a.json".to_owned(), b"{}".to_vec()),
        ("b.bin".to_owned(), vec![]),
    ]
    .into();
    let unsigned = Bundle::build(&meta, files)?;
    corpus.write("bundle", "signed", &unsigned.sign(&[identity()]))?;
    corpus.write("bundle", "unsigned", &unsigned.sign(&[]))?;
    corpus.write("manifest", "two-files", unsigned.manifest_bytes())?;
    let empty = Bundle::build(&meta, [("a.json".to_owned(), vec![])].into())?;
    corpus.write("manifest", "one-empty-file", empty.manifest_bytes())?;
    let other = Identity::from_seed(&Zeroizing::new([0x43; 32]));
    let root = Root::new(1, 2, vec![identity().public(), other.public()])?;
    corpus.write("root", "two-of-two", &root.to_bytes())?;
    let gone = vec![other.public().fingerprint()];
    let next = Root::with_revoked(2, 1, vec![identity().public()], gone)?;
    corpus.write("root", "one-revoked", &next.to_bytes())?;
    let mut change = RootChange::unsigned(&next);
    change.sign(&identity())?;
    corpus.write("root", "change", &change.to_bytes())
}

fn trust_records(corpus: &Corpus) -> Outcome {
    let mut floors = Floors::default();
    floors.raise_root(2);
    floors.raise("cardio-lr", 3)?;
    floors.raise("derm-small", 7)?;
    corpus.write("trust_records", "floors", &encode_floors(&floors))?;
    let mut slots = Slots::default();
    slots.install(SlotId::A, Slot::on_trial([0x11; 32], 6));
    slots.mark_good(SlotId::A);
    slots.install(SlotId::B, Slot::on_trial([0x12; 32], 8));
    corpus.write("trust_records", "slots", &encode_slots(&slots))
}

fn payload(corpus: &Corpus) -> Outcome {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../models/shipped/cardio-lr/payload");
    let read = |name: &str| fs::read(shipped.join(name));
    let compact = |bytes: &[u8]| -> Outcome<Vec<u8>> {
        Ok(serde_json::from_slice::<serde_json::Value>(bytes)?
            .to_string()
            .into_bytes())
    };
    let (circuit, weights) = (compact(&read("circuit.json")?)?, read("weights.safetensors")?);
    let parameters = read("parameters.json")?;
    corpus.write("contract", "shipped", &compact(&read("contract.json")?)?)?;
    corpus.write("parameters", "shipped", &compact(&parameters)?)?;
    let golden: serde_json::Value = serde_json::from_slice(&read("golden.json")?)?;
    corpus.write("golden", "shipped", golden.to_string().as_bytes())?;
    let heads = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/heads.json");
    let heads: serde_json::Value = serde_json::from_slice(&fs::read(heads)?)?;
    for (name, case) in [("largest", 0), ("every-pool", 5)] {
        let case = &heads["cases"][case];
        corpus.write("contract", name, case["contract"].to_string().as_bytes())?;
        let patch = serde_json::json!({"name": "p", "inputs": [1, 2], "outputs": [-3]});
        let golden = serde_json::json!({"format": 3, "vectors": [patch], "scans": case["scans"]});
        corpus.write("golden", name, golden.to_string().as_bytes())?;
    }
    corpus.write(
        "record",
        "healthy",
        golden["vectors"][0]["record"].to_string().as_bytes(),
    )?;
    corpus.write(
        "record",
        "ill",
        golden["vectors"][1]["record"].to_string().as_bytes(),
    )?;
    let length = u16::try_from(circuit.len())?.to_le_bytes();
    corpus.write("circuit", "shipped", &[&length[..], &circuit, &weights].concat())?;
    let set = ParameterSet::from_json(&parameters)?;
    let plan = Plan::new(&Circuit::from_parts(&circuit, &weights)?, &set)?;
    let item = Item {
        seeds: vec![[7; SEED_BYTES]; plan.input_ciphertexts()],
        bodies: (0..plan.input_len() as u64)
            .map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .collect(),
    };
    corpus.write("ciphertexts", "item", &item.to_bytes(&plan))?;
    let words = set.large_dimension() + 1;
    let outputs: usize = plan.outputs().iter().map(|output| output.len).sum();
    let answer = Answer {
        ciphertexts: vec![vec![0; words]; outputs],
    };
    // Zeros at the end are filled in by the target.
    corpus.write("ciphertexts", "answer", &answer.to_bytes(&plan)[..64])?;
    let header = [b"OBS1\x01".as_slice(), &set.hash(), &[9; SEED_BYTES]].concat();
    corpus.write("evaluation_keys", "zeros", &header)?;
    images(corpus)
}

/// The small stand-in for images under parameters with blocks and packing.
fn images(corpus: &Corpus) -> Outcome {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../models");
    let read = |name: &str| fs::read(models.join(name));
    let parameters = read("fhe-core/parameters/image-1024.json")?;
    let json: serde_json::Value = serde_json::from_slice(&parameters)?;
    corpus.write("parameters", "blocks", json.to_string().as_bytes())?;
    let circuit = read("shipped/stand-in/derm-small/payload/circuit.json")?;
    let circuit: serde_json::Value = serde_json::from_slice(&circuit)?;
    let (circuit, weights) = (
        circuit.to_string(),
        read("shipped/stand-in/derm-small/payload/weights.safetensors")?,
    );
    let set = ParameterSet::from_json(&parameters)?;
    let plan = Plan::new(&Circuit::from_parts(circuit.as_bytes(), &weights)?, &set)?;
    let item = Item {
        seeds: vec![[7; SEED_BYTES]; plan.input_ciphertexts()],
        bodies: vec![0; plan.input_len()],
    };
    // Zeros at the end are filled in by the target.
    corpus.write("ciphertexts", "image-item", &item.to_bytes(&plan)[..100])?;
    let words = |(words, _bits): (usize, u32)| vec![0; words];
    let answer = Answer {
        ciphertexts: Answer::lengths(&plan).into_iter().map(words).collect(),
    };
    corpus.write("ciphertexts", "packed-answer", &answer.to_bytes(&plan)[..64])?;
    let header = [b"OBS1\x01".as_slice(), &set.hash(), &[9; SEED_BYTES]].concat();
    corpus.write("evaluation_keys", "packing-zeros", &header)?;
    corpus.write("circuit", "image-layers", &image_layers()?)
}

/// A circuit of one channel with every layer that images have.
fn image_layers() -> Outcome<Vec<u8>> {
    let graph = r#"{"format":1,"nodes":[
        {"op":"input","name":"x","shape":[1,4,4],"min":[-8],"max":[7]},
        {"op":"conv2d","name":"c","input":"x","weights":"w","bias":"b","stride":[1,1],"padding":[1,1]},
        {"op":"sumpool","name":"p","input":"c","window":[2,2],"stride":[2,2]},
        {"op":"lut","name":"t","input":"p","table":"t","origin":-128,"step":16,"calibrated":[-150,140]},
        {"op":"output","name":"t","input":"t"}]}"#;
    let graph = serde_json::from_str::<serde_json::Value>(graph)?.to_string();
    let header = concat!(
        r#"{"w":{"dtype":"I8","shape":[1,1,3,3],"data_offsets":[0,9]},"#,
        r#""b":{"dtype":"I64","shape":[1],"data_offsets":[9,17]},"#,
        r#""t":{"dtype":"I32","shape":[1,16],"data_offsets":[17,81]}}"#,
    );
    let mut weights = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    weights.extend([1, 2, 1, 0, 1, 0, 255, 254, 255]);
    weights.extend(3_i64.to_le_bytes());
    weights.extend((0..16_i32).flat_map(|i| (i - 4).clamp(0, 8).to_le_bytes()));
    Circuit::from_parts(graph.as_bytes(), &weights)?;
    let length = u16::try_from(graph.len())?.to_le_bytes();
    Ok([&length[..], graph.as_bytes(), &weights].concat())
}

/// Small pictures of the kinds that are read.
fn pictures(corpus: &Corpus) -> Outcome {
    let level = |value: u32| u8::try_from(value % 256).unwrap_or(0);
    let picture = RgbImage::from_fn(40, 33, |x, y| Rgb([level(6 * x), level(7 * y), level(x * y)]));
    let picture = DynamicImage::ImageRgb8(picture);
    let encoded = |picture: &DynamicImage, format| -> Outcome<Vec<u8>> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format)?;
        Ok(bytes.into_inner())
    };
    let jpeg = encoded(&picture, ImageFormat::Jpeg)?;
    corpus.write("image", "jpeg", &jpeg)?;
    let turned = b"\xff\xe1\0\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    corpus.write("image", "jpeg-turned", &[&jpeg[..2], turned, &jpeg[2..]].concat())?;
    corpus.write("image", "png", &encoded(&picture, ImageFormat::Png)?)?;
    let opaque = DynamicImage::ImageRgba8(picture.to_rgba8());
    corpus.write("image", "png-alpha", &encoded(&opaque, ImageFormat::Png)?)?;
    let agent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../host-agent/imaging");
    corpus.write(
        "image",
        "progressive",
        &fs::read(agent.join("tests/data/progressive.jpg"))?,
    )
}

fn local(corpus: &Corpus) -> Outcome {
    let piece = appliance::TrustRequest::FilePiece {
        model_hash: OBJECT,
        file: "circuit.json".to_owned(),
        offset: 0,
    };
    let evaluate = appliance::ComputeRequest::Evaluate {
        job: JOB,
        item: 0,
        model_hash: OBJECT,
        key_fingerprint: OBJECT,
        bytes: vec![1; 20],
    };
    let answered = appliance::ComputeReply::Item {
        job: JOB,
        item: 0,
        outcome: Ok(appliance::Answer {
            bytes: vec![1; 20],
            receipt: vec![2; 20],
        }),
    };
    let record = agent::Record(vec![
        ("age_years".to_owned(), agent::Value::Number(35.0)),
        ("sex".to_owned(), agent::Value::Code("female".to_owned())),
    ]);
    let tagged = |which: u8, frame: Vec<u8>| [&[which][..], &frame].concat();
    corpus.write("local", "file-piece", &tagged(0, codec::encode(&piece)))?;
    corpus.write("local", "evaluate", &tagged(2, codec::encode(&evaluate)))?;
    corpus.write("local", "answered", &tagged(3, codec::encode(&answered)))?;
    corpus.write(
        "local",
        "record",
        &tagged(4, [&[2][..], &codec::encode(&record)].concat()),
    )
}

//! What several targets share: fixed keys, the shipped payload, and ways to shape raw input.

use std::sync::OnceLock;

use obscura_circuit::Circuit;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_protocol::{
    codec,
    identity::{Identity, Purpose},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Circuit of the shipped payload.
pub const CIRCUIT: &[u8] = include_bytes!("../../../models/shipped/cardio-lr/payload/circuit.json");
/// Weights of the shipped payload.
pub const WEIGHTS: &[u8] = include_bytes!("../../../models/shipped/cardio-lr/payload/weights.safetensors");
/// Parameters of the shipped payload.
pub const PARAMETERS: &[u8] = include_bytes!("../../../models/shipped/cardio-lr/payload/parameters.json");

/// Circuit of the small stand-in for images.
pub const IMAGE_CIRCUIT: &[u8] =
    include_bytes!("../../../models/shipped/stand-in/derm-small/payload/circuit.json");
/// Weights of the small stand-in for images.
pub const IMAGE_WEIGHTS: &[u8] =
    include_bytes!("../../../models/shipped/stand-in/derm-small/payload/weights.safetensors");
/// Parameters with a secret in blocks and packed answers.
pub const IMAGE_PARAMETERS: &[u8] = include_bytes!("../../../models/fhe-core/parameters/image-1024.json");

/// The one signer that targets know.
pub fn identity() -> Identity {
    Identity::from_seed(&Zeroizing::new([0x42; 32]))
}

/// A signed byte string in the form of tickets and receipts, so that what lies behind the signature is
/// reached too.
pub fn signed(purpose: Purpose, bytes: &[u8]) -> Vec<u8> {
    codec::encode(&(bytes.to_vec(), identity().sign(purpose, bytes)))
}

/// Splits input in two: a little-endian 16-bit length, the first part, the second.
pub fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return (data, &[]);
    };
    rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()))
}

/// The shipped circuit.
pub fn circuit() -> &'static Circuit {
    static CELL: OnceLock<Circuit> = OnceLock::new();
    CELL.get_or_init(|| Circuit::from_parts(CIRCUIT, WEIGHTS).expect("the shipped circuit loads"))
}

/// The shipped circuit under the shipped parameters.
pub fn plan() -> &'static Plan {
    static CELL: OnceLock<Plan> = OnceLock::new();
    CELL.get_or_init(|| {
        let parameters = ParameterSet::from_json(PARAMETERS).expect("the shipped parameters load");
        Plan::new(circuit(), &parameters).expect("they carry the shipped circuit")
    })
}

/// The small stand-in for images.
pub fn image_circuit() -> &'static Circuit {
    static CELL: OnceLock<Circuit> = OnceLock::new();
    CELL.get_or_init(|| Circuit::from_parts(IMAGE_CIRCUIT, IMAGE_WEIGHTS).expect("the stand-in loads"))
}

/// The small stand-in for images under parameters that pack answers.
pub fn image_plan() -> &'static Plan {
    static CELL: OnceLock<Plan> = OnceLock::new();
    CELL.get_or_init(|| {
        let parameters = ParameterSet::from_json(IMAGE_PARAMETERS).expect("the parameters load");
        Plan::new(image_circuit(), &parameters).expect("they carry the stand-in")
    })
}

/// Brings input to exactly `len` bytes: its end is cut off or filled with zeros.
pub fn fit(data: &[u8], len: usize) -> Vec<u8> {
    let mut out = data[..data.len().min(len)].to_vec();
    out.resize(len, 0);
    out
}

/// Decodes a value and, where that works, encodes and decodes it again: nothing may change.
pub fn round_trip<T: Serialize + for<'de> Deserialize<'de>>(data: &[u8], max_bytes: usize) {
    if let Ok(value) = codec::decode::<T>(data, max_bytes) {
        let encoded = codec::encode(&value);
        let again = codec::decode::<T>(&encoded, max_bytes).expect("what was decoded encodes to the same");
        assert_eq!(codec::encode(&again), encoded);
    }
}

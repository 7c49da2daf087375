//! Frames between the processes of one machine.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obscura_fuzz::round_trip;
use obscura_local::{agent, appliance, imaging};

fuzz_target!(|data: &[u8]| {
    let Some((&which, frame)) = data.split_first() else {
        return;
    };
    let max_bytes = 1 << 20;
    match which % 10 {
        0 => round_trip::<appliance::TrustRequest>(frame, max_bytes),
        1 => round_trip::<appliance::TrustReply>(frame, max_bytes),
        2 => round_trip::<appliance::ComputeRequest>(frame, max_bytes),
        3 => round_trip::<appliance::ComputeReply>(frame, max_bytes),
        4 => round_trip::<agent::VaultRequest>(frame, max_bytes),
        5 => round_trip::<agent::VaultReply>(frame, max_bytes),
        6 => round_trip::<agent::LinkCommand>(frame, max_bytes),
        7 => round_trip::<agent::LinkEvent>(frame, max_bytes),
        8 => round_trip::<imaging::ImagingRequest>(frame, max_bytes),
        _ => round_trip::<imaging::ImagingReply>(frame, max_bytes),
    }
});

//! The serial carrier alone: both ends in this process, a pseudo-terminal between them.

use std::{
    thread,
    time::{Duration, Instant},
};

use obscura_carrier::{
    CarrierEvent,
    serial::{self, End, Publisher, Receiver},
};

use crate::{
    cable::Cable,
    compute::KEY_BYTES,
    error::BenchError,
    report::{Report, number},
    site::{Place, name},
};

/// As long as the chunks of an upload.
const MESSAGE_BYTES: usize = 256 * 1024;
/// Messages of one measurement: 168 MB.
const MESSAGES: usize = 640;
/// Bytes a line of 3 Mbit/s carries in a second: eight bits, a start and a stop bit each.
pub(crate) const UART_BYTES_PER_S: f64 = 3e6 / 10.0;
/// Bytes of bulk data high-speed USB carries in a second at most: 13 packets of 512 bytes in each of 8000
/// microframes (USB 2.0, table 5-10).
const USB_HS_BYTES_PER_S: f64 = 13.0 * 512.0 * 8000.0;
/// Longest wait for a message.
const LIMIT: Duration = Duration::from_mins(1);

type Way = (Publisher, Receiver);

/// Both ends of a cable of its own, connected.
fn ends(place: &Place, cable: &Cable) -> Result<[Way; 2], BenchError> {
    let box_name = "box-1".parse().expect("a valid name");
    let near = place.wire("box", cable.box_port.clone(), End::Box)?;
    let far = place.wire(&name(0), cable.device_port.clone(), End::Device { box_name })?;
    let ends = [serial::connect(&near)?, serial::connect(&far)?];
    for (_, events) in &ends {
        while events.recv_timeout(LIMIT)? != CarrierEvent::Up {}
    }
    Ok(ends)
}

/// What a line can do; gives bytes on the line per byte of a message.
pub(crate) fn measure(place: &Place, report: &mut Report) -> Result<f64, BenchError> {
    let cable = Cable::lay()?;
    let [(_near, heard), (far, _told)] = ends(place, &cable)?;
    let (down_before, up_before) = cable.carried();
    let began = Instant::now();
    let sending = thread::spawn(move || -> Result<Publisher, BenchError> {
        let topic = format!("obscura/v1/{}/up", name(0));
        for _ in 0..MESSAGES {
            far.publish(&topic, vec![9; MESSAGE_BYTES], LIMIT)?;
        }
        Ok(far)
    });
    let mut messages = 0;
    while messages < MESSAGES {
        match heard.recv_timeout(LIMIT)? {
            CarrierEvent::Message { .. } => messages += 1,
            CarrierEvent::Up => {}
            _ => return Err(BenchError::Ended { part: "the line" }),
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    // The publisher lives until everything arrived.
    let sent = sending.join();
    drop(sent.map_err(|_panic| BenchError::Ended { part: "the sender" })??);
    let (down, up) = cable.carried();
    let payload = number((MESSAGES * MESSAGE_BYTES) as u64);
    let overhead = number(up - up_before) / payload;
    report.put("serial_mb_per_s", payload / 1e6 / seconds);
    report.put("overhead_factor", overhead);
    report.put("acknowledged_factor", number(down - down_before) / payload);
    Ok(overhead)
}

/// What an upload takes on lines that are slower than this machine: the time of its bytes on the line, with
/// the measured overhead of frames, link, TLS and messages. `measured_s` is what it took here; a fast line
/// cannot make it shorter.
pub(crate) fn state(report: &mut Report, overhead: f64, measured_s: f64) {
    let bytes = number(KEY_BYTES) * overhead;
    report.put("uart_3mbit_key_upload_s", bytes / UART_BYTES_PER_S);
    report.put(
        "usb_hs_key_upload_s",
        (bytes / USB_HS_BYTES_PER_S).max(measured_s),
    );
}

//! One device at a time through the gate, and one device beside another that floods it.

use std::time::{Duration, Instant};

use crate::{
    compute::{ANSWER_BYTES, ITEM_BYTES, KEY_BYTES, REAL},
    device::{Device, Keys},
    error::BenchError,
    flood::Flood,
    line::UART_BYTES_PER_S,
    report::{Report, number, percentile_ms},
    site::Place,
};

/// How long throughput is measured.
const ITEMS_TIME: Duration = Duration::from_secs(4);
/// Items of a job, and jobs under way: as many items as the gate queues for one device, halved.
const JOB_ITEMS: u32 = 64;
const JOBS: usize = 2;
/// Round trips before anything is measured, to warm up.
const WARM_UP: usize = 30;
/// Alternations of quiet and flood, and how long each part lasts.
const ALTERNATIONS: usize = 6;
const PART: Duration = Duration::from_millis(1500);
/// How long a flood lasts before its effect is measured.
const LEAD: Duration = Duration::from_millis(300);
/// Round trips whose bytes are counted.
const COUNTED: u32 = 20;

/// The first three devices: at the broker, on the cable, and hostile.
pub(crate) const DEVICES: usize = 3;

/// Measures uploads and throughput; gives the seconds an upload over the cable took.
pub(crate) fn throughput(place: &Place, report: &mut Report) -> Result<f64, BenchError> {
    report.count("key_bytes", KEY_BYTES);
    report.count("item_bytes", ITEM_BYTES as u64);
    report.count("answer_bytes", ANSWER_BYTES as u64);
    let mut at_broker = Device::connect(place.at_broker(0)?, Keys::make(0, &REAL))?;
    report.put("key_upload_mqtt_s", at_broker.upload()?.as_secs_f64());
    let mqtt = items_per_s(&mut at_broker)?;
    report.put("items_per_s_mqtt", mqtt);
    drop(at_broker);
    let mut on_cable = Device::connect(place.on_cable(1)?, Keys::make(1, &REAL))?;
    let serial_s = on_cable.upload()?.as_secs_f64();
    report.put("key_upload_serial_s", serial_s);
    let serial = items_per_s(&mut on_cable)?;
    report.put("items_per_s_serial", serial);
    report.put("items_per_s", mqtt.min(serial));
    item_on_the_line(place, &mut on_cable, report)?;
    Ok(serial_s)
}

/// Items answered in a second while there are always some to be answered.
fn items_per_s(device: &mut Device) -> Result<f64, BenchError> {
    for _ in 0..WARM_UP {
        device.round_trip()?;
    }
    let mut open = Vec::new();
    for _ in 0..JOBS {
        open.push((device.submit(JOB_ITEMS)?, 0));
    }
    let (began, mut answers) = (Instant::now(), 0);
    let deadline = began + ITEMS_TIME;
    while let Some(job) = device.answer_by(deadline)? {
        answers += 1;
        let Some((known, answered)) = open.iter_mut().find(|(known, _)| *known == job) else {
            continue;
        };
        *answered += 1;
        if *answered == JOB_ITEMS {
            device.settle(job)?;
            (*known, *answered) = (device.submit(JOB_ITEMS)?, 0);
        }
    }
    for (job, _) in open {
        device.settle(job)?;
    }
    Ok(number(answers) / began.elapsed().as_secs_f64())
}

/// Bytes a record's round trip puts on the line, and how long a slow line takes for them.
fn item_on_the_line(place: &Place, device: &mut Device, report: &mut Report) -> Result<(), BenchError> {
    // What was withdrawn before has left the line after one more round trip.
    device.round_trip()?;
    let (down_before, up_before) = place.cable.carried();
    for _ in 0..COUNTED {
        device.round_trip()?;
    }
    let (down, up) = place.cable.carried();
    let bytes = number(down - down_before + up - up_before) / f64::from(COUNTED);
    report.put("item_line_bytes", bytes);
    report.put("uart_3mbit_item_s", bytes / UART_BYTES_PER_S);
    Ok(())
}

/// Measures round trips of one device alone and beside a flood, in turns.
pub(crate) fn latency(place: &Place, report: &mut Report) -> Result<(), BenchError> {
    let mut device = Device::connect(place.at_broker(0)?, Keys::make(0, &REAL))?;
    device.upload()?;
    let flood = Flood::prepare(place.at_broker(2)?)?;
    for _ in 0..WARM_UP {
        device.round_trip()?;
    }
    let (mut alone, mut flooded) = (Vec::new(), Vec::new());
    let mut flood_time = Duration::ZERO;
    for _ in 0..ALTERNATIONS {
        flood.set(false);
        part(&mut device, LEAD)?;
        alone.extend(part(&mut device, PART)?);
        flood.set(true);
        let began = Instant::now();
        part(&mut device, LEAD)?;
        flooded.extend(part(&mut device, PART)?);
        flood_time += began.elapsed();
    }
    flood.set(false);
    let (quiet, loud) = (percentile_ms(&mut alone, 50), percentile_ms(&mut flooded, 50));
    report.put("latency_alone_ms", quiet);
    report.put("latency_alone_p95_ms", percentile_ms(&mut alone, 95));
    report.put("latency_flood_ms", loud);
    report.put("latency_flood_p95_ms", percentile_ms(&mut flooded, 95));
    report.put("hostile_latency_ratio", loud / quiet);
    report.count("hostile_sent", flood.sent());
    report.put("hostile_per_s", number(flood.sent()) / flood_time.as_secs_f64());
    Ok(())
}

fn part(device: &mut Device, time: Duration) -> Result<Vec<Duration>, BenchError> {
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < time {
        times.push(device.round_trip()?);
    }
    Ok(times)
}

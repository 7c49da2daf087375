//! Many devices that always have more to ask than the box can answer.

use std::{
    thread,
    time::{Duration, Instant},
};

use obscura_link::adapters::config::LinkConfig;

use crate::{
    compute::SMALL,
    device::{Device, Keys},
    error::BenchError,
    report::Report,
    site::Place,
};

/// Records each device has asked for at any time: twice as many jobs as the box takes of one.
const ASKED: usize = 16;
/// What a record costs compute: enough that all devices wait.
const ITEM_TIME: Duration = Duration::from_millis(2);
/// How long all devices are at work; the first and the last quarter do not count.
const TIME: Duration = Duration::from_secs(30);

/// When the records of one device were answered.
type Answers = Vec<Instant>;

/// Measures how evenly `devices` are served, and the memory of the gate that serves them.
pub(crate) fn measure(place: &Place, devices: usize, report: &mut Report) -> Result<(), BenchError> {
    place.compute.take_per_item(ITEM_TIME);
    let configs = (0..devices)
        .map(|n| place.at_broker(n))
        .collect::<Result<Vec<_>, _>>()?;
    let connected = all(
        configs.into_iter().enumerate().collect(),
        |(n, config): (usize, LinkConfig)| {
            let mut device = Device::connect(config, Keys::make(n, &SMALL))?;
            device.upload()?;
            Ok(device)
        },
    )?;
    let began = Instant::now();
    let measuring = thread::spawn(move || all(connected, move |device| work(device, began + TIME)));
    thread::sleep(TIME / 2);
    let rss_mib = place.gate.rss_mib()?;
    let ended = measuring.join();
    let answers = ended.map_err(|_panic| BenchError::Ended { part: "a device" })??;
    place.compute.take_per_item(Duration::ZERO);
    let counted = |times: &Answers| {
        let counts = |at: &&Instant| **at >= began + TIME / 4 && **at < began + TIME * 3 / 4;
        u32::try_from(times.iter().filter(counts).count()).unwrap_or(u32::MAX)
    };
    let counts: Vec<u32> = answers.iter().map(counted).collect();
    let (least, most) = (
        counts.iter().min().copied().unwrap_or(0),
        counts.iter().max().copied().unwrap_or(0),
    );
    report.count("devices", devices as u64);
    report.put("fairness_max_over_min", f64::from(most) / f64::from(least));
    report.count("fairness_least_answers", least.into());
    report.count("fairness_most_answers", most.into());
    let total: u32 = counts.iter().sum();
    report.put(
        "fairness_items_per_s",
        f64::from(total) / (TIME / 2).as_secs_f64(),
    );
    report.put("gate_rss_mib", rss_mib);
    Ok(())
}

/// Keeps asking until `end`.
fn work(mut device: Device, end: Instant) -> Result<Answers, BenchError> {
    for _ in 0..ASKED {
        device.submit(1)?;
    }
    let mut answers = Answers::new();
    while let Some(job) = device.answer_by(end)? {
        answers.push(Instant::now());
        device.settle(job)?;
        device.submit(1)?;
    }
    Ok(answers)
}

/// Does `each` for every one of `all`, at the same time.
fn all<A: Send + 'static, B: Send + 'static>(
    all: Vec<A>,
    each: impl Fn(A) -> Result<B, BenchError> + Copy + Send + 'static,
) -> Result<Vec<B>, BenchError> {
    let threads: Vec<_> = all
        .into_iter()
        .map(|one| thread::spawn(move || each(one)))
        .collect();
    let join = |thread: thread::JoinHandle<Result<B, BenchError>>| match thread.join() {
        Ok(done) => done,
        Err(_) => Err(BenchError::Ended { part: "a device" }),
    };
    threads.into_iter().map(join).collect()
}

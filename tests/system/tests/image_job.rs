//! A whole image, patch by patch, through all programs, while both sides are killed.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use obscura_system_tests::{
    AgentRun, ImageReport, RecordOptions, Site,
    fixtures::{DEMO_RECORDS, DERM_TINY, IMAGE},
    repository, wait_until,
};

const LIMIT: Duration = Duration::from_mins(3);
const PATCHES: u32 = 49;

fn options(name: &'static str, input: &str) -> RecordOptions {
    RecordOptions::new(name, &repository().join(input))
}

/// Items of the journal that have no accepted answer yet.
fn journaled(site: &Site) -> usize {
    let listed = fs::read_dir(site.path("site/device-1/journal"));
    let item = |path: &Path| path.extension().is_some_and(|extension| extension == "item");
    listed.map_or(0, |listed| {
        listed.flatten().filter(|file| item(&file.path())).count()
    })
}

fn right(image: &ImageReport) {
    assert_eq!(image.state, "answered", "{image:?}");
    assert_eq!(image.receipts, Some(PATCHES));
    assert_eq!(image.patch_class.len(), PATCHES as usize);
    assert_eq!(image.same_class_as_reference, Some(true), "{image:?}");
    // Noise as it is predicted: far more would be a wrong computation, none would be no encryption.
    let deviations = image.rms_predicted_deviations.unwrap();
    assert!((0.3..1.7).contains(&deviations), "{deviations}");
}

#[test]
fn an_image_is_answered_although_both_sides_are_killed_in_the_middle() {
    let site = Site::make_for(DERM_TINY).unwrap();
    let _broker = site.start_broker().unwrap();
    let mut first_box = site.start_box().unwrap();
    let mut first = AgentRun::scan(&site, &options("first", IMAGE)).unwrap();
    let some = |run: &AgentRun| {
        let said = run.said();
        let counts = said.lines().filter_map(|line| {
            let rest = line.strip_prefix("waiting for answers ")?;
            rest.split_once(" of 49")?.0.trim().parse::<u32>().ok()
        });
        Ok(counts.max().filter(|done| *done >= 5))
    };
    let done = wait_until("the first answers", LIMIT, || some(&first)).unwrap();
    first.kill();
    assert!(done < PATCHES, "killed too late to show anything");
    assert!(
        journaled(&site) <= 16,
        "more items under way than the agent may have"
    );
    first_box.process().kill();
    drop(first_box);
    let _second_box = site.start_box().unwrap();
    let with_picture = RecordOptions {
        more: &["--pictures", "pictures"],
        ..options("second", IMAGE)
    };
    let report = AgentRun::resume(&site, &with_picture).unwrap().succeed().unwrap();
    let [image] = &report.images[..] else {
        panic!("{report:?}")
    };
    right(image);
    assert_eq!(image.name, "ISIC_0028696.jpg", "the name the user knows");
    let picture = site.path(&image.picture.as_ref().unwrap().to_string_lossy());
    assert!(picture.ends_with("pictures/ISIC_0028696.result.png"));
    assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    let mode = fs::metadata(&picture).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a diagnosis is its owner's");
    let each = AgentRun::scan(&site, &options("again", IMAGE))
        .unwrap()
        .succeed()
        .unwrap()
        .answer_bytes
        / 49;
    assert!(
        report.answer_bytes <= u64::from(PATCHES - done) * each && report.answer_bytes > 0,
        "only what had no accepted answer was computed again: {} of {each}",
        report.answer_bytes
    );
    assert_eq!(journaled(&site), 0, "nothing is left behind");
    let scans = fs::read_dir(site.path("site/device-1/vault.scans")).unwrap();
    assert_eq!(scans.count(), 0, "nor the pixels");
    let nothing = AgentRun::resume(&site, &options("third", IMAGE))
        .unwrap()
        .succeed()
        .unwrap();
    assert!(nothing.images.is_empty());
}

#[test]
fn what_is_not_an_image_and_what_the_model_does_not_read_is_refused_before_anything_is_sent() {
    let site = Site::make_for(DERM_TINY).unwrap();
    let (code, _) = AgentRun::scan(&site, &options("no-image", DEMO_RECORDS))
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(code, Some(3));
    let mut record = AgentRun::record(&site, &options("record", DEMO_RECORDS)).unwrap();
    assert_eq!(record.finish().unwrap().0, Some(2));
    assert!(
        record.said().contains("use `obscura-agent scan`"),
        "{}",
        record.said()
    );
    let records = Site::make().unwrap();
    let mut scan = AgentRun::scan(&records, &options("scan", IMAGE)).unwrap();
    assert_eq!(scan.finish().unwrap().0, Some(2));
    assert!(
        scan.said().contains("use `obscura-agent record`"),
        "{}",
        scan.said()
    );
    assert!(
        !site.path("site/device-1/vault.obk").exists(),
        "no vault was made"
    );
}

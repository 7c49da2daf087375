//! `demo scan` and `bench scan`: a whole image through all programs, read by a box that never sees it.

use std::{fs, path::PathBuf};

use obscura_circuit::Circuit;
use obscura_system_tests::{
    AgentReport, AgentRun, ImageReport, RecordOptions, Site,
    fixtures::{self, DERM_TINY, IMAGE, Payload},
    repository,
};
use serde_json::{Map, Value, json};

use crate::{
    demo::{on_throw_away_site, start, stop},
    error::TaskError,
    run::target,
    ui::{bold, bytes, say, table},
};

/// The model whose scans are shown and measured.
const MODEL: Payload = DERM_TINY;
/// Where the picture of the demo goes, in the folder of build results.
const PICTURES: &str = "demo";
/// The picture in the site's folder, before it is deleted.
const KEPT: &str = "pictures/ISIC_0028696.result.png";

/// Shows a scan.
///
/// # Errors
/// [`TaskError`], after the end of every log was printed.
pub(crate) fn demo(keep: bool) -> Result<(), TaskError> {
    say(&bold(
        "Obscura demo: a box reads a picture of a skin lesion that it never sees.",
    ));
    let (picture, _, total_s) = on_throw_away_site(MODEL, keep, 7, |site, steps| {
        let running = start(site, steps)?;
        steps.next(
            "device",
            "decodes and cuts the picture, makes its keys, encrypts patch by patch, decrypts the answers",
        );
        let report = scan(site, "scan", true)?;
        let image = only(&report)?;
        show(image);
        let picture = keep_picture(site)?;
        stop(running, steps);
        figures(&report);
        Ok(picture)
    })?;
    say(&format!("\nThe picture with its map: {}", picture.display()));
    say(&format!(
        "The whole demo took {total_s:.1} s after the build. Everything else it made is gone."
    ));
    Ok(())
}

/// Measures scans; the report, without what another network would take.
///
/// # Errors
/// [`TaskError`].
pub(crate) fn measure() -> Result<Map<String, Value>, TaskError> {
    let circuit = circuit(MODEL)?;
    let ((first, second), _, _) = on_throw_away_site(MODEL, false, 8, |site, steps| {
        let running = start(site, steps)?;
        steps.next("first scan", "with making keys and uploading them");
        let first = scan(site, "first-scan", true)?;
        steps.next("second scan", "as every later one: the box has the keys");
        let second = scan(site, "second-scan", true)?;
        stop(running, steps);
        Ok((first, second))
    })?;
    let image = only(&second)?;
    let seconds = |ms: f64| (ms / 10.0).round() / 100.0;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let report = json!({
        "scan_s": seconds(second.total_ms),
        "first_scan_s": seconds(first.total_ms),
        "keygen_s": first.keygen_ms.map(seconds),
        "key_upload_bytes": first.upload_bytes,
        "tables_per_patch": circuit.look_ups(),
        "patches": image.items,
        "upload_bytes": second.request_bytes,
        "download_bytes": second.answer_bytes,
        "cores": cores,
        "same_class_as_clear": u8::from(image.same_class_as_reference == Some(true)),
        "rms_predicted_deviations": image.rms_predicted_deviations,
    });
    match report {
        Value::Object(report) => Ok(report),
        _ => Err(TaskError::BadReport {
            program: "obscura-agent",
        }),
    }
}

/// What a whole scan of another network would take when every patch takes `patch_s`: an extrapolation, not a measurement.
pub(crate) fn extrapolated_s(patch_s: f64, report: &Map<String, Value>) -> Option<f64> {
    let count = report.get("patches")?.as_f64()?;
    Some((patch_s * count).round())
}

fn circuit(model: Payload) -> Result<Circuit, TaskError> {
    let file = |name: &str| fixtures::read(&format!("{}/{name}", model.folder));
    Circuit::from_parts(&file("circuit.json")?, &file("weights.safetensors")?).map_err(|source| {
        TaskError::BadModel {
            model: model.id,
            source,
        }
    })
}

fn scan(site: &Site, name: &'static str, live: bool) -> Result<AgentReport, TaskError> {
    let options = RecordOptions {
        live,
        more: &["--pictures", "pictures"],
        ..RecordOptions::new(name, &repository().join(IMAGE))
    };
    Ok(AgentRun::scan(site, &options)?.succeed()?)
}

fn only(report: &AgentReport) -> Result<&ImageReport, TaskError> {
    let found = report.images.first();
    let found = found.filter(|image| image.state == "answered" && image.picture.is_some());
    found.ok_or(TaskError::BadReport {
        program: "obscura-agent",
    })
}

/// Takes the picture out of the site's folder, which is deleted.
fn keep_picture(site: &Site) -> Result<PathBuf, TaskError> {
    let from = site.path(KEPT);
    let to = target(PICTURES)?.join("scan.png");
    let io = |path: &PathBuf| {
        let path = path.clone();
        move |source| TaskError::Io { path, source }
    };
    let folder = to.parent().map_or_else(PathBuf::new, PathBuf::from);
    fs::create_dir_all(&folder).map_err(io(&folder))?;
    fs::copy(&from, &to).map_err(io(&to))?;
    Ok(to)
}

fn show(image: &ImageReport) {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    say(&format!("\n      {}", bold(&image.name)));
    say(&format!(
        "        from the box    {}: {}",
        text(&image.class),
        text(&image.class_text)
    ));
    let mut classes: Vec<(&String, &f64)> = image.class_percent.iter().collect();
    classes.sort_by(|a, b| b.1.total_cmp(a.1));
    let classes: Vec<String> = classes
        .iter()
        .map(|(name, percent)| format!("{name} {percent:.1} %"))
        .collect();
    say(&format!("        classes         {}", classes.join(", ")));
    let rows = image.patch_class.chunks(image.patch_rows.max(1));
    for (number, row) in rows.enumerate() {
        let label = if number == 0 { "patches" } else { "" };
        let names: Vec<String> = row.iter().map(|name| format!("{name:<5}")).collect();
        say(&format!("        {label:<15} {}", names.join(" ").trim_end()));
    }
    let same = match image.same_class_as_reference {
        Some(true) => "same finding",
        _ => "OTHER FINDING",
    };
    say(&format!(
        "        in the clear    {}, {same}; outputs differ by {:.2} of the predicted deviation (computed on the \
         device, to compare)",
        text(&image.reference_class),
        image.rms_predicted_deviations.unwrap_or_default(),
    ));
    say(&format!(
        "        receipts        {} checked",
        image.receipts.unwrap_or_default()
    ));
    say(&format!("\n      {}", bold(&text(&image.warning))));
}

fn figures(report: &AgentReport) {
    let row = |name: &str, size: Option<u64>, ms: Option<f64>| {
        let none = || "-".to_owned();
        let time = ms.map_or_else(none, |ms| format!("{:.1}", ms / 1e3));
        vec![name.to_owned(), size.map_or_else(none, bytes), time]
    };
    say("");
    table(
        &["the picture", "bytes", "s"],
        &[
            row("key generation", Some(report.eval_key_bytes), report.keygen_ms),
            row("key upload", Some(report.upload_bytes), Some(report.upload_ms)),
            row("encrypt", Some(report.request_bytes), Some(report.encrypt_ms)),
            row(
                "box and way, answers",
                Some(report.answer_bytes),
                Some(report.wait_ms),
            ),
            row("verify, decrypt", None, Some(report.accept_ms)),
            row("whole run", None, Some(report.total_ms)),
        ],
    );
}

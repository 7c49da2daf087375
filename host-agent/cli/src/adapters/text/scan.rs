//! The result of an image as text: finding, classes, notes, the map of its patches.
#![expect(
    clippy::format_push_string,
    reason = "short texts for people, built once per result"
)]

use obscura_local::agent::{Comparison, ScanNote, ScanOutcome, ScanReading};

use super::floor;
use crate::domain::report::JobReport;

/// Thousandths as a percentage.
pub(crate) fn permille(permille: u16) -> f64 {
    f64::from(permille) / 10.0
}

/// The result of one image.
pub(super) fn scan(report: &JobReport, outcome: &ScanOutcome, comparison: Option<&Comparison>) -> String {
    let reading = &outcome.reading;
    let mut text = format!("\n{}\n", report.name);
    if let Some(found) = reading.classes.get(reading.class as usize) {
        text += &format!(
            "  finding       {} ({}), {:.1} %\n                {}\n",
            found.label,
            found.name,
            permille(found.permille),
            reading.text
        );
    }
    let mut classes: Vec<_> = reading.classes.iter().collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.permille));
    let classes = classes
        .iter()
        .map(|class| format!("{} {:.1} %", class.name, permille(class.permille)));
    text += &format!("  classes       {}\n", classes.collect::<Vec<_>>().join(", "));
    text += &notes(reading);
    text += &map(reading);
    if let Some(path) = &report.picture {
        text += &format!("  picture       {}\n", path.display());
    }
    if let Some(comparison) = comparison {
        let same = if comparison.same_class {
            "same finding"
        } else {
            "OTHER FINDING"
        };
        text += &format!(
            "  in the clear  {same}; outputs differ by {:.2} of the predicted deviation, at most {:.1}  (computed on this device, not by the box)\n",
            comparison.rms_deviations, comparison.max_deviations
        );
    }
    let receipt = &outcome.receipt;
    text += &format!(
        "  receipts      {} signed by {} for job {:.8}: {} {:.8}, counter {}, floor {}, keys {:.8}\n  \
         warning       {}\n",
        outcome.items,
        receipt.box_name,
        receipt.job,
        receipt.model_id,
        receipt.model_hash,
        receipt.security_counter,
        floor(receipt.floor),
        receipt.key_fingerprint,
        outcome.warning,
    );
    if let Some(licence) = &outcome.licence {
        text += &format!("  licence       {licence}\n");
    }
    text
}

/// What the model says from a probability on, for each class that reaches its own.
fn notes(reading: &ScanReading) -> String {
    let note = |note: &ScanNote| {
        let class = reading.classes.get(note.class as usize);
        let (name, from) = (class.map_or("?", |class| &class.name), permille(note.permille));
        format!("  note          {} ({name} at {from:.1} % or more)\n", note.text)
    };
    reading.notes.iter().map(note).collect()
}

/// The most probable class of every patch, as the patches lie in the image, and what each counts where that differs.
fn map(reading: &ScanReading) -> String {
    let name = |class: u32| {
        reading
            .classes
            .get(class as usize)
            .map_or("?", |class| &class.name)
    };
    let width = reading
        .classes
        .iter()
        .map(|class| class.name.len())
        .max()
        .unwrap_or(1);
    let names = reading
        .map
        .iter()
        .map(|(class, _)| format!("{:width$}", name(*class)));
    let weights = reading
        .weights
        .iter()
        .map(|weight| format!("{:>5.1}", permille(*weight)));
    let (names, weights): (Vec<_>, Vec<_>) = (names.collect(), weights.collect());
    grid("patches", reading.rows, &names) + &grid("weights in %", reading.rows, &weights)
}

/// Cells row by row, the first row behind `label`.
fn grid(label: &str, rows: u32, cells: &[String]) -> String {
    let rows = cells.chunks((rows as usize).max(1));
    let lines = rows.enumerate().map(|(number, row)| {
        let label = if number == 0 { label } else { "" };
        let line = format!("  {label:<13} {}", row.join(" "));
        line.trim_end().to_owned() + "\n"
    });
    lines.collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use obscura_local::agent::{ClassShare, ScanNote};
    use obscura_protocol::{
        identity::{Digest, JobId},
        job::{FloorKind, Receipt},
    };

    use super::*;

    /// An image of four patches with everything a result can have.
    pub(crate) fn outcome() -> ScanOutcome {
        let share = |name: &str, permille| ClassShare {
            name: name.into(),
            label: name.to_uppercase(),
            permille,
        };
        ScanOutcome {
            label: "mole".into(),
            reading: ScanReading {
                class: 1,
                text: "A mole.".into(),
                classes: vec![share("mel", 312), share("nv", 688)],
                rows: 2,
                map: vec![(0, 900), (1, 800), (1, 700), (1, 600)],
                weights: vec![650, 50, 125, 175],
                notes: vec![ScanNote {
                    class: 0,
                    permille: 120,
                    text: "Melanoma is possible.".into(),
                }],
            },
            warning: "Not a diagnosis.".into(),
            licence: Some("CC BY-NC 4.0: not for commercial use".into()),
            items: 4,
            receipt: Receipt {
                job: JobId([1; 16]),
                item: 0,
                input_hash: Digest([0; 32]),
                answer_hash: Digest([0; 32]),
                model_id: "derm".into(),
                model_hash: Digest([0; 32]),
                security_counter: 1,
                floor: FloorKind::None,
                parameter_hash: Digest([0; 32]),
                key_fingerprint: Digest([0; 32]),
                box_name: "box-1".parse().unwrap(),
            },
        }
    }

    fn report() -> JobReport {
        let mut report = JobReport::new("mole".into(), 4);
        report.picture = Some("kept/mole.result.png".into());
        report
    }

    #[test]
    fn notes_weights_and_a_non_commercial_licence_stand_in_the_result() {
        let text = scan(&report(), &outcome(), None);
        let shown = "  classes       nv 68.8 %, mel 31.2 %\n  \
                     note          Melanoma is possible. (mel at 12.0 % or more)\n  \
                     patches       mel nv\n                nv  nv\n  \
                     weights in %   65.0   5.0\n                 12.5  17.5\n  \
                     picture       kept/mole.result.png\n";
        assert!(text.contains(shown), "{text}");
        assert!(
            text.ends_with("  licence       CC BY-NC 4.0: not for commercial use\n"),
            "{text}"
        );
    }

    #[test]
    fn a_result_of_equal_patches_without_notes_is_shown_as_before() {
        let mut plain = outcome();
        (plain.reading.weights, plain.reading.notes, plain.licence) = (Vec::new(), Vec::new(), None);
        let text = scan(&JobReport::new("mole".into(), 4), &plain, None);
        assert!(text.ends_with("  warning       Not a diagnosis.\n"), "{text}");
        for word in ["weights", "note", "licence", "picture"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }
}

//! What each benchmark and campaign must reach, and how its figures are shown.

use serde_json::{Map, Value};

use crate::ui::{bytes, table};

/// A figure of a benchmark.
pub(crate) struct Figure {
    name: &'static str,
    target: Target,
    unit: Unit,
}

/// What a figure must reach.
#[derive(Clone, Copy)]
enum Target {
    None,
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
}

#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Plain(&'static str),
}

const fn figure(name: &'static str, target: Target, unit: &'static str) -> Figure {
    Figure {
        name,
        target,
        unit: Unit::Plain(unit),
    }
}

const fn size(name: &'static str, target: Target) -> Figure {
    Figure {
        name,
        target,
        unit: Unit::Bytes,
    }
}

use Target::{AtLeast, AtMost, Exactly};

/// Of one encrypted record.
pub(crate) const RECORD: [Figure; 17] = [
    figure("keygen_s", AtMost(2.0), "s"),
    figure("load_keys_s", Target::None, "s"),
    figure("encrypt_ms_per_record", Target::None, "ms"),
    figure("box_ms_per_record", AtMost(50.0), "ms"),
    figure("score_only_ms_per_record", Target::None, "ms"),
    figure("decrypt_ms_per_record", Target::None, "ms"),
    size("request_bytes", AtMost(32_768.0)),
    size("answer_bytes", AtMost(16_384.0)),
    size("eval_key_wire_bytes", AtMost(67_108_864.0)),
    size("eval_key_memory_bytes", Target::None),
    figure("demo_s", AtMost(15.0), "s"),
    figure("demo_first_run_s", Target::None, "s"),
    figure("tfhe_integers_ms_per_score", Target::None, "ms"),
    figure("speedup_vs_tfhe_integers", Target::None, "times"),
    figure("speedup_vs_tfhe_integers_score_only", Target::None, "times"),
    figure("security_bits", Target::None, "bits"),
    figure("cores", Target::None, ""),
];

/// Of look-ups beside tfhe's own calls, `image-1024` and its one-level variant.
pub(crate) const ENGINE: [Figure; 47] = [
    figure("table_speedup_vs_tfhe_single_1t", AtLeast(8.0), "times"),
    figure("table_speedup_vs_tfhe_single_2t", AtLeast(8.0), "times"),
    figure("table_speedup_vs_tfhe_single_1t_one_level", Target::None, "times"),
    figure("table_speedup_vs_tfhe_single_2t_one_level", Target::None, "times"),
    figure("rotation_speedup_vs_tfhe_batch", AtLeast(4.0), "times"),
    figure("rotation_speedup_vs_tfhe_batch_1t", Target::None, "times"),
    figure("rotation_speedup_vs_tfhe_batch_one_level", Target::None, "times"),
    figure(
        "rotation_speedup_vs_tfhe_batch_1t_one_level",
        Target::None,
        "times",
    ),
    figure("table_ms_1t", Target::None, "ms"),
    figure("table_ms_2t", AtMost(1.25), "ms"),
    figure("table_ms_1t_one_level", Target::None, "ms"),
    figure("table_ms_2t_one_level", Target::None, "ms"),
    figure("rotation_ms_1t", Target::None, "ms"),
    figure("rotation_ms_2t", Target::None, "ms"),
    figure("rotation_ms_1t_one_level", Target::None, "ms"),
    figure("rotation_ms_2t_one_level", Target::None, "ms"),
    figure("keyswitch_ms_1t", Target::None, "ms"),
    figure("keyswitch_share", AtMost(0.10), ""),
    figure("peak_gflops", Target::None, "Gflop/s"),
    figure("peak_gflops_2t", Target::None, "Gflop/s per core"),
    figure("rotation_gflop", Target::None, "Gflop"),
    figure("rotation_gflop_one_level", Target::None, "Gflop"),
    figure("peak_fraction", AtLeast(0.40), ""),
    figure("peak_fraction_1t", Target::None, ""),
    figure("peak_fraction_one_level", Target::None, ""),
    figure("speedup_two_cores", AtLeast(1.9), "times"),
    figure("tfhe_table_ms_1t", Target::None, "ms"),
    figure("tfhe_table_ms_2t", Target::None, "ms"),
    figure("tfhe_table_ms_1t_one_level", Target::None, "ms"),
    figure("tfhe_table_ms_2t_one_level", Target::None, "ms"),
    figure("tfhe_rotation_batch_ms_1t", Target::None, "ms"),
    figure("tfhe_rotation_batch_ms_2t", Target::None, "ms"),
    figure("tfhe_keyswitch_ms_1t", Target::None, "ms"),
    size("request_bytes", AtMost(12_288.0)),
    size("answer_bytes", AtMost(8_192.0)),
    size("eval_key_wire_bytes", AtMost(67_108_864.0)),
    size("eval_key_memory_bytes", Target::None),
    figure("security_bits", AtLeast(130.0), "bits"),
    figure("keygen_s", Target::None, "s"),
    figure("table_speedup_vs_tfhe_single_core_time", Target::None, "times"),
    figure("rotation_speedup_vs_tfhe_batch_core_time", Target::None, "times"),
    figure("table_ms_2t_median", Target::None, "ms"),
    figure("table_speedup_vs_tfhe_single_2t_median", Target::None, "times"),
    figure("rotation_speedup_vs_tfhe_batch_2t_median", Target::None, "times"),
    figure("waiting_share", Target::None, ""),
    figure("avx512", Target::None, ""),
    figure("cores", Target::None, ""),
];

/// Of whole encrypted patches of the stand-in network.
pub(crate) const VGG11_PATCH: [Figure; 24] = [
    figure("vgg11_tables", Exactly(151_552.0), ""),
    figure("vgg11_patch_s", AtMost(215.0), "s"),
    figure("linear_share", AtMost(0.10), ""),
    figure("keyswitch_share", Target::None, ""),
    figure("rotation_share", Target::None, ""),
    figure("peak_rss_mib", AtMost(3072.0), "MiB"),
    figure("table_ms", Target::None, "ms"),
    figure("patches", Target::None, ""),
    figure("argmax_agreement", Target::None, ""),
    figure("logit_deviation", Target::None, "steps"),
    figure("logit_deviation_predicted", Target::None, "steps"),
    figure("class_changes_beyond_margin", Exactly(0.0), ""),
    figure("rotation_noise_log2", Target::None, ""),
    figure("rotation_noise_log2_predicted", Target::None, ""),
    figure("simulated_patches", Target::None, ""),
    figure("simulated_argmax_agreement", Target::None, ""),
    figure("simulated_logit_deviation", Target::None, "steps"),
    figure("simulated_margin_patches", Target::None, ""),
    figure("simulated_class_changes_beyond_margin", Exactly(0.0), ""),
    figure("keygen_s", Target::None, "s"),
    figure("load_keys_s", Target::None, "s"),
    size("eval_key_wire_bytes", AtMost(67_108_864.0)),
    figure("waiting_share", Target::None, ""),
    figure("cores", Target::None, ""),
];

/// Of carriers and gate, with a compute that answers at once.
pub(crate) const TRANSPORT: [Figure; 31] = [
    figure("serial_mb_per_s", AtLeast(20.0), "MB/s"),
    figure("key_upload_mqtt_s", Target::None, "s"),
    figure("key_upload_serial_s", Target::None, "s"),
    size("key_bytes", Target::None),
    figure("items_per_s", Target::None, "/s"),
    figure("items_per_s_mqtt", Target::None, "/s"),
    figure("items_per_s_serial", Target::None, "/s"),
    size("item_bytes", Target::None),
    size("answer_bytes", Target::None),
    figure("latency_alone_ms", Target::None, "ms"),
    figure("latency_alone_p95_ms", Target::None, "ms"),
    figure("latency_flood_ms", Target::None, "ms"),
    figure("latency_flood_p95_ms", Target::None, "ms"),
    figure("hostile_latency_ratio", AtMost(2.0), "times"),
    figure("hostile_sent", Target::None, ""),
    figure("hostile_per_s", Target::None, "/s"),
    figure("hostile_refused", AtLeast(1.0), ""),
    figure("devices", AtLeast(200.0), ""),
    figure("fairness_max_over_min", AtMost(1.5), "times"),
    figure("fairness_least_answers", Target::None, ""),
    figure("fairness_most_answers", Target::None, ""),
    figure("fairness_items_per_s", Target::None, "/s"),
    figure("gate_rss_mib", Target::None, "MiB"),
    figure("uart_3mbit_key_upload_s", Target::None, "s, stated"),
    figure("uart_3mbit_item_s", Target::None, "s, stated"),
    figure("usb_hs_key_upload_s", Target::None, "s, stated"),
    figure("overhead_factor", Target::None, ""),
    figure("acknowledged_factor", Target::None, ""),
    size("item_line_bytes", Target::None),
    figure("enrol_s", Target::None, "s"),
    figure("cores", Target::None, ""),
];

/// Of a simulated fault campaign; what it only counts follows by name.
pub(crate) const SIMULATE: [Figure; 13] = [
    figure("seeds", AtLeast(100_000.0), ""),
    figure("violations", Exactly(0.0), ""),
    figure("longest_finish_s", AtMost(600.0), "s"),
    figure("mean_finish_s", Target::None, "s"),
    figure("records", Target::None, ""),
    figure("jobs", Target::None, ""),
    figure("items", Target::None, ""),
    figure("accepted", Target::None, ""),
    figure("restarts", Target::None, ""),
    figure("messages", Target::None, ""),
    figure("messages_lost", Target::None, ""),
    figure("seconds", Target::None, "s"),
    figure("seeds_per_s", Target::None, ""),
];

/// Of one picture through all programs, and of another network by extrapolation from one patch.
pub(crate) const SCAN: [Figure; 12] = [
    figure("scan_s", AtMost(180.0), "s"),
    figure("first_scan_s", Target::None, "s"),
    figure("keygen_s", Target::None, "s"),
    size("key_upload_bytes", Target::None),
    figure("tables_per_patch", AtMost(2500.0), ""),
    figure("patches", Exactly(49.0), ""),
    size("upload_bytes", Target::None),
    size("download_bytes", Target::None),
    figure("cores", Target::None, ""),
    figure("same_class_as_clear", Exactly(1.0), ""),
    figure("rms_predicted_deviations", Target::None, ""),
    figure("vgg11_scan_extrapolated_s", Target::None, "s, not measured"),
];

/// Of rounds of the real programs under faults; the faults follow by name.
pub(crate) const FAULTS: [Figure; 20] = [
    figure("rounds", AtLeast(200.0), ""),
    figure("lost", Exactly(0.0), ""),
    figure("accepted_twice", Exactly(0.0), ""),
    figure("wrong", Exactly(0.0), ""),
    figure("late", Exactly(0.0), ""),
    figure("image_rounds", AtLeast(40.0), ""),
    figure("image_lost", Exactly(0.0), ""),
    figure("image_accepted_twice", Exactly(0.0), ""),
    figure("image_wrong", Exactly(0.0), ""),
    figure("image_late", Exactly(0.0), ""),
    figure("image_refused", Target::None, ""),
    figure("image_items_seen", Target::None, ""),
    figure("refused", Target::None, ""),
    figure("shown_again", Target::None, ""),
    figure("records", Target::None, ""),
    figure("faults", Target::None, ""),
    figure("restarts", Target::None, ""),
    figure("resumes", Target::None, ""),
    figure("longest_round_s", Target::None, "s"),
    figure("seconds", Target::None, "s"),
];

/// Prints the figures that `report` holds: those listed, in their order, then the others by name.
pub(crate) fn show(report: &Map<String, Value>, figures: &[Figure]) {
    let listed = figures.iter().filter_map(|figure| figure.row(report));
    let unlisted = report
        .iter()
        .filter(|(name, _)| figures.iter().all(|figure| figure.name != name.as_str()))
        .map(|(name, value)| vec![name.clone(), value.to_string(), String::new(), String::new()]);
    let rows: Vec<Vec<String>> = listed.chain(unlisted).collect();
    table(&["figure", "measured", "target", ""], &rows);
}

impl Figure {
    fn row(&self, report: &Map<String, Value>) -> Option<Vec<String>> {
        let value = report.get(self.name)?.as_f64()?;
        let show = |limit| self.unit.show(limit);
        let target = match self.target {
            Target::None => String::new(),
            AtMost(limit) => format!("at most {}", show(limit)),
            AtLeast(limit) => format!("at least {}", show(limit)),
            Exactly(limit) => format!("exactly {}", show(limit)),
        };
        let verdict = self.target.verdict(value).to_owned();
        Some(vec![self.name.to_owned(), show(value), target, verdict])
    }
}

impl Target {
    fn verdict(self, value: f64) -> &'static str {
        match self {
            Self::None => "",
            Self::AtMost(limit) | Self::Exactly(limit) if value > limit => "ABOVE",
            Self::AtLeast(limit) | Self::Exactly(limit) if value < limit => "BELOW",
            _ => "ok",
        }
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "sizes are whole and positive"
            )]
            Self::Bytes => bytes(value as u64),
            Self::Plain(unit) => format!("{value} {unit}").trim_end().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_may_have_to_be_small_large_or_exact() {
        assert_eq!(AtMost(2.0).verdict(2.0), "ok");
        assert_eq!(AtMost(2.0).verdict(2.1), "ABOVE");
        assert_eq!(AtLeast(8.0).verdict(8.0), "ok");
        assert_eq!(AtLeast(8.0).verdict(7.9), "BELOW");
        assert_eq!(Exactly(3.0).verdict(3.0), "ok");
        assert_eq!(Exactly(3.0).verdict(2.0), "BELOW");
        assert_eq!(Exactly(3.0).verdict(4.0), "ABOVE");
        assert_eq!(Target::None.verdict(4.0), "");
    }

    #[test]
    fn a_figure_is_shown_with_its_target_and_a_missing_one_is_not() {
        let mut report = Map::new();
        report.insert("security_bits".to_owned(), Value::from(130.6));
        let rows: Vec<_> = ENGINE.iter().filter_map(|figure| figure.row(&report)).collect();
        assert_eq!(rows, [["security_bits", "130.6 bits", "at least 130 bits", "ok"]]);
    }
}

//! Layout of convolutional networks under block-binary parameters: sizes, scales, noise, refusals.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use common::{Network, image_set, small_network};
use obscura_circuit::{Circuit, Operation, OutputKind};
use obscura_fhe_core::{
    Answer, EvaluationKeyParts, FormatError, ParameterSet, Plan, PlanError, SeededKey, WordSize,
};

const STAND_IN: [&[u8]; 2] = [
    include_bytes!("../../shipped/stand-in/derm-small/payload/circuit.json"),
    include_bytes!("../../shipped/stand-in/derm-small/payload/weights.safetensors"),
];

fn stand_in() -> Circuit {
    Circuit::from_parts(STAND_IN[0], STAND_IN[1]).unwrap()
}

#[test]
fn requests_answers_and_keys_of_images_are_small() {
    let set = image_set();
    let plan = Plan::new(&stand_in(), &set).unwrap();
    assert_eq!((plan.input_len(), plan.output_len()), (3072, 7));
    assert!(plan.request_bytes() < 12 * 1024, "{}", plan.request_bytes());
    assert!(plan.answer_bytes() < 8 * 1024, "{}", plan.answer_bytes());
    assert!(
        plan.evaluation_key_bytes() < 64 << 20,
        "{}",
        plan.evaluation_key_bytes()
    );
    // An exact output of as many elements is as small.
    let exact = Network::new([7, 1, 1]).plan(&set).unwrap();
    assert_eq!(exact.outputs()[0].kind, OutputKind::Exact);
    assert!(exact.answer_bytes() < 8 * 1024, "{}", exact.answer_bytes());
}

#[test]
fn outputs_share_ciphertexts_and_send_used_bodies_only() {
    let set = image_set();
    let packing = set.packing.clone().unwrap();
    let mask = packing.dimension();
    for (outputs, want) in [
        (7, vec![mask + 7]),
        (256, vec![mask + 256]),
        (300, vec![mask + 256, mask + 44]),
    ] {
        let plan = Network::new([outputs, 1, 1]).plan(&set).unwrap();
        let lengths = Answer::lengths(&plan);
        assert_eq!(lengths.iter().map(|(words, _)| *words).collect::<Vec<_>>(), want);
        let answer = Answer {
            ciphertexts: lengths
                .iter()
                .map(|&(words, bits)| (0..words as u64).map(|i| i << (64 - bits)).collect())
                .collect(),
        };
        let bytes = answer.to_bytes(&plan);
        assert_eq!(bytes.len(), plan.answer_bytes());
        assert_eq!(Answer::from_bytes(&plan, &bytes), Ok(answer));
        for len in [0, 36, 37, bytes.len() - 1, bytes.len() + 1] {
            let mut other = bytes.clone();
            other.resize(len, 0);
            let refused = Answer::from_bytes(&plan, &other);
            assert!(matches!(refused, Err(FormatError::PeerLength { .. })), "{len}");
        }
    }
}

#[test]
fn the_most_demanding_output_decides_for_a_packed_answer() {
    let mut network = small_network();
    network.output("x");
    let plan = network.plan(&image_set()).unwrap();
    let bits: Vec<u32> = plan.outputs().iter().map(|o| o.answer_bits).collect();
    assert_eq!(bits, [31, 31]);
    assert!(Answer::lengths(&plan).iter().all(|(_, bits)| *bits == 31));
}

#[test]
fn keys_carry_a_packing_key_exactly_where_the_set_packs() {
    let set = image_set();
    let words = |count: usize| (0..count as u64).map(|i| i << 12).collect::<Vec<_>>();
    let parts = EvaluationKeyParts {
        key_switch_seed: [1; 16],
        key_switch: words(EvaluationKeyParts::key_switch_len(&set)),
        bootstrap_seed: [2; 16],
        bootstrap: words(EvaluationKeyParts::bootstrap_len(&set)),
        packing: Some(SeededKey {
            seed: [3; 16],
            bodies: words(EvaluationKeyParts::packing_len(&set)),
        }),
    };
    // Input words, levels, coefficients.
    assert_eq!(EvaluationKeyParts::packing_len(&set), 2048 * 2 * 256);
    let bytes = parts.to_bytes(&set);
    assert_eq!(bytes.len(), EvaluationKeyParts::byte_len(&set));
    assert!(EvaluationKeyParts::from_bytes(&set, &bytes) == Ok(parts));
    let unpacked = ParameterSet { packing: None, ..set };
    assert!(matches!(
        EvaluationKeyParts::from_bytes(&unpacked, &bytes),
        Err(FormatError::PeerParameters { .. })
    ));
    assert!(EvaluationKeyParts::byte_len(&unpacked) < bytes.len());
}

#[test]
fn every_integer_lands_in_the_middle_of_its_entry() {
    for (step, entries) in [(1, 1024), (3, 256), (5, 1024), (92, 256)] {
        let mut network = Network::new([1, 1, 1]);
        network.ramp(
            "table",
            "x",
            (-step * entries / 2, step),
            usize::try_from(entries).unwrap(),
        );
        let circuit = network.circuit();
        let plan = Plan::new(&circuit, &image_set()).unwrap();
        let Operation::Lut(lut) = &circuit.layers()[0].operation else {
            unreachable!("the network has one table")
        };
        let (table, figures) = (plan.table(0).unwrap(), plan.figures());
        let simulated = figures.tables[0].unwrap();
        let (delta, repeat) = (plan.delta(0), 1024 / u64::try_from(entries).unwrap());
        let cell = (1_u64 << 63) / u64::try_from(entries).unwrap();
        for x in -step * entries / 2..step * entries / 2 {
            let phase = delta.wrapping_mul(x.cast_unsigned());
            let entry = u64::try_from(lut.index(x)).unwrap();
            // The simulator rounds down, the rotation to the nearest of 2,048 positions.
            let offset = phase.wrapping_add(simulated.input_shift);
            assert_eq!(offset / cell, entry, "{x}");
            let position = phase.wrapping_add(table.input_shift).wrapping_add(1 << 52) >> 53;
            assert_eq!(position / repeat, entry, "{x}");
            // Both ends of a cell are at least half an integer away.
            let inside = offset % cell;
            assert!(inside.min(cell - inside) >= delta / 2 - delta / 64, "{x}");
        }
    }
}

#[test]
fn tables_are_stored_centred_and_shifted_back() {
    let circuit = small_network().circuit();
    let plan = Plan::new(&circuit, &image_set()).unwrap();
    let (index, layer) = circuit.layers().iter().enumerate().nth(1).unwrap();
    let Operation::Lut(lut) = &layer.operation else {
        unreachable!("the second layer is a table")
    };
    let table = plan.table(index).unwrap();
    assert_eq!(table.output_delta(), plan.delta(index + 1));
    for channel in 0..lut.tables() {
        let polynomial = table.polynomial(lut, channel, 1024);
        for (position, word) in polynomial.iter().enumerate() {
            let entry = lut.table(channel)[position * lut.entries() / 1024];
            let value = table
                .output_delta()
                .wrapping_mul(i64::from(entry).cast_unsigned());
            assert_eq!(word.wrapping_add(table.output_shift()), value);
        }
        assert_eq!(polynomial[0].wrapping_add(polynomial[1023]), 0);
    }
}

/// Squared weights with which the inputs enter element `element` of tensor `tensor`, by trying each.
fn joint_norm2(circuit: &Circuit, tensor: usize, element: usize) -> f64 {
    let zero = vec![0; circuit.input_len()];
    let base = circuit.trace(&zero).unwrap()[tensor][element];
    (0..zero.len())
        .map(|input| {
            let mut unit = zero.clone();
            unit[input] = 1;
            let moved = circuit.trace(&unit).unwrap()[tensor][element] - base;
            f64::from(i32::try_from(moved).unwrap()).powi(2)
        })
        .sum()
}

#[test]
fn noise_follows_sums_over_shared_inputs() {
    let mut network = Network::new([2, 8, 9]);
    network.conv("conv", "x", 3, (3, [1, 1], [1, 1]));
    network.pool("pool", "conv", [2, 3], [2, 3]);
    network.relu("table", "pool", (-12800, 100), (-1, 1));
    let circuit = network.circuit();
    let plan = Plan::new(&circuit, &image_set()).unwrap();
    let input = plan.noise(0).sigma().powi(2);
    for tensor in [1, 2] {
        let shape = circuit.shape(tensor);
        // The middle of each channel, where no tap lies in the padding.
        let middle = shape.height / 2 * shape.width + shape.width / 2;
        let norms: Vec<f64> = (0..3)
            .map(|channel| joint_norm2(&circuit, tensor, channel * shape.plane() + middle))
            .collect();
        let noise = plan.layer_noise(tensor - 1).unwrap();
        let near = |noise: f64, want: f64| assert!((noise.powi(2) / input / want - 1.0).abs() < 1e-9);
        near(
            noise.accumulator_max.sigma(),
            norms.iter().copied().fold(0.0, f64::max),
        );
        near(noise.accumulator_rms.sigma(), norms.iter().sum::<f64>() / 3.0);
        assert_eq!(noise.output, noise.accumulator_max);
        assert_eq!(noise.look_up, None);
    }
}

#[test]
fn pools_of_look_ups_add_independent_noise() {
    let circuit = small_network().circuit();
    let plan = Plan::new(&circuit, &image_set()).unwrap();
    let noise = |layer| plan.layer_noise(layer).unwrap();
    assert!((noise(2).output.sigma() / noise(1).output.sigma() - 2.0).abs() < 1e-9);
    let (conv, look_up) = (noise(0), noise(1));
    assert_eq!(look_up.input, conv.output);
    let entries = look_up.look_up.unwrap();
    assert!(entries.rms_entries < entries.sigma_entries);
    assert_eq!(plan.layer_noise(99), None);
}

#[test]
fn overlapping_sums_behind_each_other_are_bounded_from_above() {
    let mut network = Network::new([1, 8, 8]);
    network.conv("first", "x", 2, (3, [1, 1], [0, 0]));
    network.conv("second", "first", 2, (3, [1, 1], [0, 0]));
    network.pool("pool", "second", [2, 2], [1, 1]);
    network.relu("table", "pool", (-12800, 100), (-1, 1));
    let circuit = network.circuit();
    let plan = Plan::new(&circuit, &image_set()).unwrap();
    for tensor in [2, 3] {
        let exact = joint_norm2(&circuit, tensor, 0).max(joint_norm2(
            &circuit,
            tensor,
            circuit.shape(tensor).plane(),
        ));
        assert!(plan.noise(tensor).sigma() >= plan.noise(0).sigma() * exact.sqrt());
    }
}

#[test]
fn logits_behind_tables_need_no_exactness_and_state_their_deviation() {
    let plan = small_network().plan(&image_set()).unwrap();
    let logits = &plan.outputs()[0];
    assert_eq!(logits.kind, OutputKind::Table);
    let sigma = plan.output_sigma(0).unwrap();
    assert!(sigma > 1.0 && sigma.is_finite(), "{sigma}");
    assert_eq!(plan.output_sigma(1), None);
    let delta = plan.delta(logits.reads);
    for value in [-900_i64, -1, 0, 1, 900] {
        let phase = delta.wrapping_mul(value.cast_unsigned());
        assert_eq!(logits.decode(phase.wrapping_add(delta / 2 - 1)), value);
        assert_eq!(logits.decode(phase.wrapping_sub(delta / 2)), value);
    }
}

#[test]
fn words_of_blocks_have_32_bits_and_memory_is_counted_in_them() {
    let circuit = small_network().circuit();
    let plan = Plan::new(&circuit, &image_set()).unwrap();
    assert_eq!(plan.words(), WordSize::Bits32);
    // Input 3x16x16 and, pooled at once, 4x4x4; the convolution and its look-ups never exist as a whole.
    assert_eq!(plan.memory_bytes(), (768 + 64) * 2049 * 4);
}

#[test]
fn refuses_accumulators_that_are_finer_than_a_word() {
    let mut network = Network::new([1, 1, 1]);
    network.ramp("table", "x", (-(1 << 40), 1 << 31), 1024);
    let error = network.plan(&image_set()).unwrap_err();
    assert_eq!(
        error,
        PlanError::TooWide {
            layer: "input".into()
        }
    );
}

#[test]
fn refuses_outputs_that_a_table_left_no_room_for() {
    // The calibrated table takes what it needs of the torus, and the output reads the same accumulator.
    let mut network = Network::new([16, 1, 1]);
    network.linear("sum", "x", 1, 100);
    network.relu("table", "sum", (-512, 4), (-600, 600));
    network.output("sum");
    let error = network.plan(&image_set()).unwrap_err();
    assert_eq!(error, PlanError::TooWide { layer: "sum".into() });
}

#[test]
fn refuses_tables_with_more_entries_than_positions() {
    let mut network = Network::new([1, 1, 1]);
    network.ramp("table", "x", (-1024, 1), 2048);
    let error = network.plan(&image_set()).unwrap_err();
    let (layer, entries, positions) = ("table".into(), 2048, 1024);
    assert_eq!(
        error,
        PlanError::TableTooFine {
            layer,
            entries,
            positions
        }
    );
}

#[test]
fn refuses_tables_of_different_steps_on_the_same_values() {
    let mut network = Network::new([1, 1, 1]);
    network.ramp("first", "x", (-512, 4), 256);
    network.ramp("second", "x", (-512, 8), 256);
    let error = network.plan(&image_set()).unwrap_err();
    assert_eq!(
        error,
        PlanError::ConflictingSteps {
            layer: "second".into()
        }
    );
}

#[test]
fn refuses_expected_inputs_whose_noise_leaves_the_flat_ends() {
    // The first 97 entries are 0, so that the 97 beyond the last give the largest value.
    let calibrated = |max: i64| {
        let mut network = Network::new([4, 1, 1]);
        network.relu("table", "x", (-512, 4), (-600, max));
        network.plan(&image_set())
    };
    let last = 512 + 4 * 97 - 1;
    let margin = calibrated(600).unwrap().table(0).unwrap().error_entries;
    assert!(margin > 1);
    assert!(calibrated(last - 4 * margin).is_ok());
    let error = calibrated(last - 4 * margin + 1).unwrap_err();
    assert_eq!(
        error,
        PlanError::Wraps {
            layer: "table".into(),
            entry: 256 + 97,
            margin
        }
    );
}

#[test]
fn refuses_accumulators_whose_noise_drowns_the_table() {
    let with_levels = |base, levels| {
        let mut network = Network::new([64, 1, 1]);
        network.relu("first", "x", (-512, 4), (-600, 600));
        network.linear("sum", "first", 4, 120);
        network.relu("second", "sum", (-512, 4), (-600, 600));
        network.plan(&ParameterSet {
            rotation_base_log2: base,
            rotation_levels: levels,
            ..image_set()
        })
    };
    with_levels(15, 2).unwrap();
    // A coarser rotation is too noisy for weights of this size.
    let error = with_levels(20, 1).unwrap_err();
    assert!(
        matches!(&error, PlanError::LookUpTooNoisy { layer, sigma_entries, max_entries }
            if &**layer == "second" && sigma_entries > max_entries),
        "{error}"
    );
}

/// Noise for tests, from SplitMix64.
struct Draw(u64);

impl Draw {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// About normal, of deviation 1: a sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        let uniform = |draw: &mut Self| f64::from(u32::try_from(draw.word() >> 32).unwrap());
        (0..12).map(|_| uniform(self)).sum::<f64>() * (-32.0_f64).exp2() - 6.0
    }
}

/// Evaluates `circuit` in real numbers, in integers of each tensor, with the noise of `plan`.
fn noisy(circuit: &Circuit, plan: &Plan, inputs: &[i64], draw: &mut Draw) -> Vec<Vec<f64>> {
    let figures = plan.figures();
    let unit = |tensor: usize| real(plan.delta(tensor)) * (-64.0_f64).exp2();
    let start = inputs
        .iter()
        .map(|&x| real(x) + draw.normal() * figures.input_sigma / unit(0));
    let mut tensors = vec![start.collect::<Vec<f64>>()];
    for (index, layer) in circuit.layers().iter().enumerate() {
        let read = &tensors[layer.reads];
        let mut made = vec![0.0; circuit.shape(index + 1).elements()];
        if let Some(dense) = layer.operation.dense() {
            for position in 0..dense.positions() {
                let taps: Vec<f64> = dense
                    .taps(position)
                    .map(|tap| tap.map_or(0.0, |i| read[i]))
                    .collect();
                for (channel, (row, bias)) in dense.weights().rows().enumerate() {
                    let sum: f64 = row.iter().zip(&taps).map(|(&w, x)| f64::from(w) * x).sum();
                    made[dense.element(channel, position)] = sum + real(bias);
                }
            }
        }
        for (element, y) in made.iter_mut().enumerate() {
            match &layer.operation {
                Operation::SumPool(pool) => *y = pool.window(element).map(|i| read[i]).sum(),
                Operation::Lut(lut) => {
                    let table = figures.tables[index].unwrap();
                    let x = read[element] + draw.normal() * table.before_sigma / unit(layer.reads);
                    #[expect(clippy::cast_possible_truncation, reason = "an entry number")]
                    let entry = ((x + 0.5 - real(lut.origin)) / real(lut.step)).floor() as i64;
                    let value = real(lut.on_torus(lut.channel_of(element), entry));
                    *y = value + draw.normal() * table.after_sigma / unit(index + 1);
                }
                Operation::Linear(_) | Operation::Conv2d(_) => {}
            }
        }
        tensors.push(made);
    }
    tensors
}

#[expect(clippy::cast_precision_loss, reason = "a deviation needs three digits")]
fn real<T: TryInto<i128>>(number: T) -> f64
where
    T::Error: std::fmt::Debug,
{
    number.try_into().unwrap() as f64
}

#[test]
fn logit_deviations_of_a_trained_network_are_predicted() {
    let circuit = stand_in();
    let plan = Plan::new(&circuit, &image_set()).unwrap();
    let mut draw = Draw(1);
    let logits = plan.outputs()[0].reads;
    let mut squares = vec![(0.0, 0.0); logits + 1];
    for _ in 0..40 {
        // Smooth enough to be like an image: a gradient, a disc and grain.
        let [slope, disc] = [draw.word() % 90, draw.word() % 90].map(real);
        let inputs: Vec<i64> = (0..3072)
            .map(|i| {
                let (y, x) = (real(i / 32 % 32) - 16.0, real(i % 32) - 16.0);
                let inside = if y * y + x * x < 80.0 { -disc } else { 0.0 };
                #[expect(clippy::cast_possible_truncation, reason = "within the input's range")]
                let value = (slope * x / 32.0 + inside + 10.0 * draw.normal()).clamp(-102.0, 102.0) as i64;
                value
            })
            .collect();
        let right = circuit.trace(&inputs).unwrap();
        let got = noisy(&circuit, &plan, &inputs, &mut draw);
        for ((sum, count), (right, got)) in squares.iter_mut().zip(right.iter().zip(&got)) {
            *sum += right
                .iter()
                .zip(got)
                .map(|(&r, g)| (g - real(r)).powi(2))
                .sum::<f64>();
            *count += real(right.len());
        }
    }
    let (sum, count) = squares[logits];
    let ratio = (sum / count).sqrt() / plan.output_sigma(0).unwrap();
    println!("logit deviation: {ratio:.2} of its prediction");
    assert!((0.5..1.6).contains(&ratio), "{ratio} times the prediction");
    // Before the first table there is nothing to estimate.
    let (sum, count) = squares[1];
    let torus = real(plan.delta(1)) * (-64.0_f64).exp2();
    let ratio = (sum / count).sqrt() * torus / plan.layer_noise(0).unwrap().accumulator_rms.sigma();
    assert!((0.95..1.05).contains(&ratio), "{ratio} times the prediction");
}

//! Real survey records through real encryption: exact scores, probabilities within the stated table error.
//!
//! Client and server stand side by side here; `main_job.rs` runs the same through the programs.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a helper that fails is a test that fails"
)]

use obscura_circuit::{Circuit, Lut, Operation};
use obscura_fhe_client::SecretKeys;
use obscura_fhe_core::{ParameterSet, Plan};
use obscura_fhe_server::{Control, EvaluationKeys, evaluate};
use obscura_system_tests::fixtures::{PAYLOAD, Vector, golden_vectors, read, test_records};

struct Model {
    circuit: Circuit,
    plan: Plan,
    secret: SecretKeys,
    keys: EvaluationKeys,
}

impl Model {
    fn load() -> Self {
        let file = |name: &str| read(&format!("{PAYLOAD}/{name}")).unwrap();
        let circuit = Circuit::from_parts(&file("circuit.json"), &file("weights.safetensors")).unwrap();
        let parameters = ParameterSet::from_json(&file("parameters.json")).unwrap();
        let plan = Plan::new(&circuit, &parameters).unwrap();
        let secret = SecretKeys::generate(&parameters).unwrap();
        let wire = secret.evaluation_keys(&mut |_, _| {}).unwrap();
        let keys = EvaluationKeys::from_bytes(&parameters, &wire).unwrap();
        Self {
            circuit,
            plan,
            secret,
            keys,
        }
    }

    /// Encrypts, evaluates blindly, decrypts: score and probability.
    fn diagnose(&self, inputs: &[i64]) -> (i64, i64) {
        let item = self.secret.encrypt(&self.plan, inputs).unwrap();
        let answer = evaluate(&self.plan, &self.circuit, &self.keys, &item, &Control::default()).unwrap();
        let outputs = self.secret.decrypt(&self.plan, &answer).unwrap();
        let value = |name: &str| outputs.iter().find(|output| output.name == name).unwrap().values[0];
        (value("score"), value("probability"))
    }

    fn table(&self) -> &Lut {
        let mut layers = self.circuit.layers().iter();
        layers
            .find_map(|layer| match &layer.operation {
                Operation::Lut(lut) => Some(lut),
                Operation::Linear(_) | Operation::Conv2d(_) | Operation::SumPool(_) => None,
            })
            .unwrap()
    }
}

/// Entries between the one an encrypted run read and the right one, for the nearest entry of that value.
fn distance(model: &Model, vector: &Vector, probability: i64) -> i64 {
    let entries = model.table().channel(0).iter().zip(0_i64..);
    let same = entries.filter(|(entry, _)| i64::from(**entry) == probability);
    same.map(|(_, index)| (index - vector.index).abs())
        .min()
        .unwrap_or(i64::MAX)
}

fn check_all(model: &Model, vectors: &[Vector]) {
    let bound = model.plan.table_error_entries();
    let (entries, last) = (model.table().channel(0), 255);
    let mut worst = 0;
    for vector in vectors {
        let (score, probability) = model.diagnose(&vector.inputs);
        assert_eq!(score, vector.score);
        let entry = |index: i64| i64::from(entries[usize::try_from(index.clamp(0, last)).unwrap()]);
        let (low, high) = (entry(vector.index - bound), entry(vector.index + bound));
        assert!(
            (low..=high).contains(&probability),
            "{probability} is not within {low}..={high}"
        );
        worst = worst.max(distance(model, vector, probability));
    }
    println!(
        "{} records: scores exact; largest table error {worst} entries, bound {bound}",
        vectors.len()
    );
}

#[test]
fn four_hundred_survey_records_score_exactly_and_stay_within_the_table_error() {
    let records = test_records().unwrap();
    assert!(records.len() >= 200);
    check_all(&Model::load(), &records);
}

#[test]
fn golden_vectors_score_exactly_and_stay_within_the_table_error() {
    check_all(&Model::load(), &golden_vectors().unwrap());
}

#[test]
fn the_integer_reference_reproduces_every_committed_result() {
    let model = Model::load();
    for vector in golden_vectors().unwrap().iter().chain(&test_records().unwrap()) {
        let outputs = model.circuit.evaluate(&vector.inputs).unwrap();
        let value = |name: &str| outputs.iter().find(|output| output.name == name).unwrap().values[0];
        assert_eq!(
            (value("score"), value("probability")),
            (vector.score, vector.probability)
        );
    }
}

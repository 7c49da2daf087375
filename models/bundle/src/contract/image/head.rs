//! The clear head: a small network that reads the features of all patches, in binary64.
//!
//! Per patch `h = relu(W x + b + position)`; pools of h over the patches, of which the attention heads weigh the
//! patches by the softmax of `a . h`; logits `V pooled + c`. `models/training/export/head.py` computes the same.
//! What is computed here speaks of a patient: it is wiped when it goes out of scope. Shapes and sizes were checked
//! when the contract was read.

use zeroize::Zeroizing;

/// Numbers that are wiped.
pub(super) type Wiped = Zeroizing<Vec<f64>>;

/// The head's numbers, which belong to the model and are public.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    /// Integers of a patch it reads.
    pub(super) inputs: usize,
    /// Without it, h is the patch's features themselves.
    pub(super) hidden: Option<Hidden>,
    pub(super) pool: Pool,
    pub(super) classes: Layer,
}

/// What makes h of the features of a patch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hidden {
    pub(super) layer: Layer,
    /// `[patches][k]`: added at each place of the image, row by row.
    pub(super) positions: Option<Vec<Vec<f64>>>,
}

/// How h of all patches become one vector: the parts that are there, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pool {
    pub(super) mean: bool,
    pub(super) max: bool,
    /// `[heads][k]`: one part each.
    pub(super) attention: Vec<Vec<f64>>,
}

/// A dense layer: `[outputs][inputs]` weights, `[outputs]` biases.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layer {
    pub(super) weights: Vec<Vec<f64>>,
    pub(super) bias: Vec<f64>,
}

/// What the head says of an image: logits, not yet divided by the temperature.
pub(super) struct Said {
    /// Of all patches together.
    pub(super) logits: Wiped,
    /// Of each patch, as if all patches were like it.
    pub(super) alone: Vec<Wiped>,
    /// What each patch counts: the mean over the attention heads, equal shares without any.
    pub(super) weights: Wiped,
}

impl Pool {
    /// Parts of the pooled vector.
    pub(super) fn parts(&self) -> usize {
        usize::from(self.mean) + usize::from(self.max) + self.attention.len()
    }
}

impl Layer {
    fn apply(&self, x: &[f64]) -> Wiped {
        let row = |(weights, bias): (&Vec<f64>, &f64)| dot(weights, x) + bias;
        Zeroizing::new(self.weights.iter().zip(&self.bias).map(row).collect())
    }
}

impl Head {
    /// Integers of a patch it reads.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Whether patches count differently.
    pub(super) fn attends(&self) -> bool {
        !self.pool.attention.is_empty()
    }

    /// Reads the outputs of all patches, `[patches][inputs]`, one integer of which stands for `unit`.
    pub(super) fn read(&self, patches: &[Vec<i64>], unit: f64) -> Said {
        let hidden: Vec<Wiped> = patches
            .iter()
            .enumerate()
            .map(|(place, outputs)| self.hidden(place, outputs, unit))
            .collect();
        let heads = self.pool.attention.iter();
        let weights: Vec<Wiped> = heads.map(|head| attention(head, &hidden)).collect();
        Said {
            logits: self.classes.apply(&self.pooled(&hidden, &weights)),
            alone: hidden.iter().map(|h| self.spoken(h)).collect(),
            weights: mean_weights(&weights, hidden.len()),
        }
    }

    /// Logits of the patch at `place`, as if all patches were like it.
    pub(super) fn alone(&self, place: usize, outputs: &[i64], unit: f64) -> Wiped {
        self.spoken(&self.hidden(place, outputs, unit))
    }

    /// Logits where every pool gives `h`.
    fn spoken(&self, h: &[f64]) -> Wiped {
        self.classes.apply(&Zeroizing::new(h.repeat(self.pool.parts())))
    }

    /// h of the patch at `place`.
    fn hidden(&self, place: usize, outputs: &[i64], unit: f64) -> Wiped {
        #[expect(clippy::cast_precision_loss, reason = "outputs have far fewer than 53 bits")]
        let features = outputs.iter().map(|output| unit * *output as f64);
        let features = Zeroizing::new(features.collect::<Vec<_>>());
        let Some(hidden) = &self.hidden else {
            return features;
        };
        let mut h = hidden.layer.apply(&features);
        if let Some(position) = hidden.positions.as_ref().and_then(|all| all.get(place)) {
            add(&mut h, position, 1.0);
        }
        h.iter_mut().for_each(|h| *h = h.max(0.0));
        h
    }

    /// Mean, largest and attended h, one after another.
    fn pooled(&self, hidden: &[Wiped], weights: &[Wiped]) -> Wiped {
        let width = hidden.first().map_or(0, |h| h.len());
        let mut pooled = Zeroizing::new(Vec::with_capacity(width * self.pool.parts()));
        if self.pool.mean {
            pooled.extend_from_slice(&weighted_sum(hidden, &equal_shares(hidden.len()), width));
        }
        if self.pool.max {
            let largest = |at: usize| hidden.iter().map(|h| h[at]).fold(f64::NEG_INFINITY, f64::max);
            pooled.extend((0..width).map(largest));
        }
        for weights in weights {
            pooled.extend_from_slice(&weighted_sum(hidden, weights, width));
        }
        pooled
    }
}

/// Softmax of `logits / temperature`.
pub(super) fn softmax(logits: &[f64], temperature: f64) -> Wiped {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let share = |logit: &f64| ((logit - largest) / temperature).exp();
    let mut shares = Zeroizing::new(logits.iter().map(share).collect::<Vec<_>>());
    let sum: f64 = shares.iter().sum();
    shares.iter_mut().for_each(|share| *share /= sum);
    shares
}

/// What each patch counts for one attention head.
fn attention(head: &[f64], hidden: &[Wiped]) -> Wiped {
    let scores = Zeroizing::new(hidden.iter().map(|h| dot(head, h)).collect::<Vec<_>>());
    softmax(&scores, 1.0)
}

fn mean_weights(heads: &[Wiped], patches: usize) -> Wiped {
    if heads.is_empty() {
        return equal_shares(patches);
    }
    weighted_sum(heads, &equal_shares(heads.len()), patches)
}

#[expect(clippy::cast_precision_loss, reason = "at most as many as a job has items")]
fn equal_shares(count: usize) -> Wiped {
    Zeroizing::new(vec![1.0 / count as f64; count])
}

fn weighted_sum(rows: &[Wiped], weights: &[f64], width: usize) -> Wiped {
    let mut sum = Zeroizing::new(vec![0.0; width]);
    for (row, weight) in rows.iter().zip(weights) {
        add(&mut sum, row, *weight);
    }
    sum
}

fn add(sum: &mut [f64], terms: &[f64], factor: f64) {
    for (sum, term) in sum.iter_mut().zip(terms) {
        *sum += factor * term;
    }
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

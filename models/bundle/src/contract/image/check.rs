//! The rules a contract for images keeps.

use obscura_protocol::job::MAX_ITEMS;

use super::{
    super::{
        ContractError,
        check::{MAX_LABEL_BYTES, MAX_TEXT_BYTES, held, is_name, is_positive, is_text, part, rule},
    },
    Aggregate, Channel, Class, ImageContract, Threshold,
    head::{Head, Hidden, Layer},
};

const MAX_SIDE: u32 = 2048;
/// The pixels of a crop are less than a megabyte, which the agent's processes hand on in one piece.
const MAX_CROP: u32 = 576;
const MAX_CLASSES: usize = 64;
/// Largest integer a colour level may become.
const MAX_LEVEL: i64 = 1 << 20;
/// Widest layer of a clear head.
const MAX_WIDTH: usize = 1024;
const MAX_ATTENTION_HEADS: usize = 16;
/// Numbers of a clear head: with 17 digits each they fit into the contract's file.
const MAX_NUMBERS: usize = 16_384;
/// Largest magnitude of a number of a clear head: far from where sums of products overflow.
const MAX_NUMBER: f64 = 1_048_576.0;

impl ImageContract {
    pub(in crate::contract) fn check(&self) -> Result<(), ContractError> {
        rule(
            (1..=MAX_SIDE).contains(&self.side),
            "the image is resized to 1 to 2048 pixels",
        )?;
        rule(
            (1..=self.side.min(MAX_CROP)).contains(&self.crop),
            "the crop lies within the resized image and has at most 576 pixels a side",
        )?;
        rule(
            (1..=self.crop).contains(&self.patch) && self.crop.is_multiple_of(self.patch),
            "patches tile the crop",
        )?;
        rule(
            self.patches() <= MAX_ITEMS,
            "an image has no more patches than a job has items",
        )?;
        rule(
            is_positive(self.scale) && is_positive(self.value_per_integer) && is_positive(self.temperature),
            "scale, logit_per_integer or value_per_integer, and temperature are positive",
        )?;
        rule(is_name(&self.output), "output is [a-z][a-z0-9_]{0,63}")?;
        self.check_channels()?;
        rule(
            (2..=MAX_CLASSES).contains(&self.classes.len()),
            "there are 2 to 64 classes",
        )?;
        for (number, class) in self.classes.iter().enumerate() {
            class
                .check(&self.classes[..number])
                .map_err(|rule| part("class", number, rule))?;
        }
        for (number, threshold) in self.thresholds.iter().enumerate() {
            threshold
                .check(&self.thresholds[..number])
                .map_err(|rule| part("threshold", number, rule))?;
        }
        match &self.aggregate {
            Aggregate::Max => Ok(()),
            Aggregate::Head(head) => {
                let bounded = |number: f64| (1.0 / MAX_NUMBER..=MAX_NUMBER).contains(&number);
                rule(
                    bounded(self.value_per_integer) && bounded(self.temperature),
                    "value_per_integer and temperature of a clear head are 2^-20 to 2^20",
                )?;
                head.check(self.patches() as usize, self.classes.len())
            }
        }
    }

    fn check_channels(&self) -> Result<(), ContractError> {
        let names: Vec<&str> = self.channels.iter().map(|channel| &*channel.name).collect();
        rule(names == ["red", "green", "blue"], "channels are red, green, blue")?;
        for (number, channel) in self.channels.iter().enumerate() {
            let checked = channel.check().and_then(|()| {
                let ends = [0, u8::MAX].map(|level| self.integer(channel, level).abs());
                held(
                    ends.iter().all(|end| *end <= MAX_LEVEL),
                    "integers stay within 2^20",
                )
            });
            checked.map_err(|rule| part("channel", number, rule))?;
        }
        Ok(())
    }
}

impl Channel {
    fn check(&self) -> Result<(), &'static str> {
        held((0.0..=1.0).contains(&self.mean), "mean is 0 to 1")?;
        held(is_positive(self.deviation), "deviation is positive")
    }
}

impl Class {
    fn check(&self, earlier: &[Self]) -> Result<(), &'static str> {
        held(is_name(&self.name), "name is [a-z][a-z0-9_]{0,63}")?;
        held(
            !self.label.is_empty() && is_text(&self.label, MAX_LABEL_BYTES),
            "label has 1 to 128 bytes and no control characters",
        )?;
        held(
            !self.text.is_empty() && is_text(&self.text, MAX_TEXT_BYTES),
            "text has 1 to 4096 bytes and no control characters",
        )?;
        held(
            earlier.iter().all(|other| other.name != self.name),
            "names are unique",
        )
    }
}

impl Threshold {
    fn check(&self, earlier: &[Self]) -> Result<(), &'static str> {
        held(
            self.probability > 0.0 && self.probability < 1.0,
            "probability is above 0 and below 1",
        )?;
        held(
            !self.text.is_empty() && is_text(&self.text, MAX_TEXT_BYTES),
            "text has 1 to 4096 bytes and no control characters",
        )?;
        held(
            earlier.iter().all(|other| other.class != self.class),
            "a class has one threshold",
        )
    }
}

impl Head {
    fn check(&self, patches: usize, classes: usize) -> Result<(), ContractError> {
        rule(
            (1..=MAX_WIDTH).contains(&self.inputs),
            "a clear head reads 1 to 1024 integers of a patch",
        )?;
        let width = match &self.hidden {
            Some(hidden) => hidden.check(self.inputs, patches)?,
            None => self.inputs,
        };
        let attention = &self.pool.attention;
        rule(
            attention.len() <= MAX_ATTENTION_HEADS,
            "a clear head has at most 16 attention heads",
        )?;
        rule(
            self.pool.parts() > 0,
            "a clear head has a mean, a max or an attention head",
        )?;
        rows("numbers of an attention head", attention, width)?;
        let pooled = self.pool.parts() * width;
        let names = [
            "rows of classes.weights",
            "numbers in a row of classes.weights",
            "numbers of classes.bias",
        ];
        self.classes.check(names, [classes, pooled])?;
        rule(
            self.numbers().count() <= MAX_NUMBERS,
            "a clear head has at most 16384 numbers",
        )?;
        let mut numbers = self.numbers();
        rule(
            numbers.all(|number| number.is_finite() && number.abs() <= MAX_NUMBER),
            "numbers of a clear head stay within 2^20",
        )
    }

    /// Every number of its matrices.
    fn numbers(&self) -> impl Iterator<Item = f64> {
        let hidden = self.hidden.iter().flat_map(|hidden| {
            let positions = hidden.positions.iter().flatten().flatten();
            hidden.layer.numbers().chain(positions)
        });
        let attention = self.pool.attention.iter().flatten();
        hidden.chain(attention).chain(self.classes.numbers()).copied()
    }
}

impl Hidden {
    /// Gives the layer's width.
    fn check(&self, inputs: usize, patches: usize) -> Result<usize, ContractError> {
        let width = self.layer.bias.len();
        rule(
            (1..=MAX_WIDTH).contains(&width),
            "the hidden layer of a clear head has 1 to 1024 units",
        )?;
        let names = [
            "rows of hidden.weights",
            "numbers in a row of hidden.weights",
            "numbers of hidden.bias",
        ];
        self.layer.check(names, [width, inputs])?;
        if let Some(positions) = &self.positions {
            count("rows of hidden.positions", positions.len(), patches)?;
            rows("numbers in a row of hidden.positions", positions, width)?;
        }
        Ok(width)
    }
}

impl Layer {
    fn check(
        &self,
        [height, row, bias]: [&'static str; 3],
        [outputs, inputs]: [usize; 2],
    ) -> Result<(), ContractError> {
        count(height, self.weights.len(), outputs)?;
        rows(row, &self.weights, inputs)?;
        count(bias, self.bias.len(), outputs)
    }

    fn numbers(&self) -> impl Iterator<Item = &f64> {
        self.weights.iter().flatten().chain(&self.bias)
    }
}

fn rows(what: &'static str, rows: &[Vec<f64>], needed: usize) -> Result<(), ContractError> {
    rows.iter().try_for_each(|row| count(what, row.len(), needed))
}

fn count(what: &'static str, got: usize, needed: usize) -> Result<(), ContractError> {
    if got == needed {
        Ok(())
    } else {
        Err(ContractError::PeerHead { what, got, needed })
    }
}
